import ast
import subprocess
import sys
import warnings

import pytest

from perfaudit.core.problem import Problem
from perfaudit.sources import PythonSource, parse_python

DEEP = {
    "parentheses": "x = " + "(" * 100_000 + "1" + ")" * 100_000,
    "open brackets": "[" * 100_000,
    "open braces": "{" * 5_000,
    "minus signs": "x = " + "-" * 5_000 + "1",
    "nots": "x = " + "not " * 5_000 + "1",
    "lambdas": "x = " + "lambda: " * 5_000 + "1",
    "conditionals": "x = " + "a if b else " * 5_000 + "1",
    "powers": "x = " + "**".join(["a"] * 5_000),
    "blocks": "".join(" " * depth + "if a:\n" for depth in range(200)) + " " * 200 + "pass",
}
# What is only long is parsed by some versions of Python and refused by others.
LONG = {
    "elif chain": "if a: pass\n" + "elif a: pass\n" * 3_000,
    "sum": "x = " + "+".join(["a"] * 10_000),
    "attributes": "x = a" + ".b" * 100_000,
    "calls": "x = a" + "()" * 20_000,
}


def _source(data: bytes | str) -> PythonSource:
    result = parse_python("a.py", data.encode() if isinstance(data, str) else data)
    assert isinstance(result, PythonSource), result
    return result


def _problem(data: bytes | str) -> Problem:
    result = parse_python("a.py", data.encode() if isinstance(data, str) else data)
    assert isinstance(result, Problem), result
    assert result.path == "a.py"
    return result


def _value(source: PythonSource) -> object:
    statement = source.tree.body[0]
    assert isinstance(statement, ast.Assign)
    return ast.literal_eval(statement.value)


@pytest.mark.parametrize(
    "data",
    [
        "x = 'é'".encode(),
        b"\xef\xbb\xbf" + "x = 'é'".encode(),
        b"# coding: latin-1\nx = '\xe9'",
        b"#!/usr/bin/env python\n# -*- coding: cp1252 -*-\nx = '\xe9'",
        b"# coding: utf-7\nx = '+AOk-'",
    ],
)
def test_encodings(data: bytes) -> None:
    source = _source(data)
    assert _value(source) == "é"
    assert "\ufeff" not in source.text


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("x = 1".encode("utf-16"), 1),
        (b"# coding: nope\nx = 1", 1),
        (b"#!/bin/python\n# coding: bz2\nx = 1", 2),
        (b"# coding: rot13\nk = 1", 1),
        (b"# coding: undefined\nx = 1", 1),
        (b"# coding: punycode\nx = 1", 1),
        (b"\xef\xbb\xbf# coding: latin-1\nx = 1", 1),
        (b"x = 1\n\ny = '\xe9'\n", 3),
        (b"# coding: ascii\nx = 1\ny = 2\nz = '\xe9'\n", 4),
        (b"# coding: unicode_escape\nx = '\\ud800'", 2),
        (b"x = '\xed\xa0\x80'", 1),
    ],
)
def test_what_is_no_text_is_undecodable(data: bytes, line: int) -> None:
    problem = _problem(data)
    assert (problem.kind, problem.line) == ("undecodable", line)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        ("x = 1\ny = (\n", 2),
        ("x = 1\n  y = 2\n", 2),
        ("x = 1\nif x:\n\ty = 1\n        z = 2\n", 4),
        ('\nprint "x"\n', 2),
        ("x = 1\ny = '\0'\n", 2),
        ("def f():\n    return x +\n", 2),
        ("x = '\\N{no such name}'", 1),
    ],
)
def test_what_is_no_python_is_a_syntax_problem(data: str, line: int) -> None:
    problem = _problem(data)
    assert (problem.kind, problem.line) == ("syntax", line)


@pytest.mark.parametrize("name", DEEP)
def test_what_is_too_deep_is_a_problem(name: str) -> None:
    assert _problem(DEEP[name]).kind == "too-deep"


@pytest.mark.parametrize("name", LONG)
def test_what_is_long_is_parsed_or_too_deep(name: str) -> None:
    result = parse_python("a.py", LONG[name].encode())
    assert isinstance(result, PythonSource) or result.kind == "too-deep"


def test_nested_brackets_that_python_allows_are_read() -> None:
    _source("x = " + "[" * 150 + "1" + "]" * 150)


@pytest.mark.parametrize(
    ("data", "lines"),
    [("", 0), ("x = 1", 1), ("x = 1\n", 1), ("x = 1\r\ny = 2\r\n", 2), ("x = 1\ry = 2", 2)]
    + [("x = '''\n\n'''", 3), ("\fx = 1\n\n", 2)],
)
def test_lines_are_counted_as_python_does(data: str, lines: int) -> None:
    source = _source(data)
    assert source.lines == lines
    assert "\r" not in source.text


def test_lines_of_the_text_are_those_of_the_tree() -> None:
    source = _source("x = '\u2028'\r\n\fy = '\x1c'\r\nz = 3\r\n")
    last = source.tree.body[-1]
    assert source.text.split("\n")[last.lineno - 1] == "z = 3"


def test_warnings_about_the_code_are_not_ours_to_print() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _source("x = '\\d'\nassert (x, 1)\nx is 1\n")


def test_nothing_is_written_to_the_terminal() -> None:
    code = (
        "from perfaudit.sources import parse_python\n"
        "parse_python('a.py', b\"x = '\\\\d'\\nassert (x, 1)\\n\")\n"
        "parse_python('a.py', b'x = ' + b'-' * 5000 + b'1')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert run.stdout + run.stderr == b""
