"""Each of these files is newer than some Python that perfaudit runs on, and is read by all."""

import ast
from pathlib import Path

import pytest

import perfaudit
from perfaudit.core.problem import Problem
from perfaudit.sources import PythonSource, parse_python

OWN_FILES = sorted(Path(perfaudit.__file__).parent.rglob("*.py"))


def _source(text: str) -> PythonSource:
    result = parse_python("a.py", text.encode())
    assert isinstance(result, PythonSource), result
    assert result.text == text
    return result


def _names(source: PythonSource) -> dict[str, tuple[int, int]]:
    """Return where each name is read: its line and column, as in the text."""
    return {
        node.id: (node.lineno, node.col_offset)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


def _place(text: str, name: str) -> tuple[int, int]:
    before = text[: text.index(name)]
    return before.count("\n") + 1, len(before.rpartition("\n")[2].encode())


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    f()\nexcept First, pkg.Second:\n    after()\n",
        "try:\n    f()\nexcept* First, Second:\n    after()\n",
        "try:\n    f()\nexcept First, Second, Third : after()\n",
        "try:\n    f()\nexcept (First, Second), Third:\n    after()\n",
        "try:\n    f()\nexcept lookup(\n    First,\n), Second:\n    after()\n",
    ],
)
def test_except_without_parentheses(text: str) -> None:
    source = _source(text)
    handler = next(node for node in ast.walk(source.tree) if isinstance(node, ast.ExceptHandler))
    assert isinstance(handler.type, ast.Tuple)
    assert len(handler.type.elts) == text.count(", ") - text.count("(First, ") + 1
    assert _names(source)["after"][0] == _place(text, "after")[0]
    assert _names(source)["First"] == _place(text, "First")


@pytest.mark.parametrize(
    "text",
    [
        "def f[T](x: T) -> T:\n    return after(x)\n",
        "class C[T: (int, str) = int](Base):\n    def m[*Ts, **P](self): return after(1)\n",
        "async def f[\n    T,  # a comment ]\n    U,\n](x):\n    await after(x)\n",
        "def f[T: 'a]b'](x): return after(x)\n",
        "type X = int | str\ntype Pair[T] = tuple[T, T]\nafter(1)\n",
        "type = 3; type Y = int; after(type)\n",
        "class C:\n    type X[\n        T,\n    ] = list[int]\n    after(1)\n",
        "match type:\n    case 1:\n        type X = int\nafter(1)\n",
        "lazy import json\nlazy from a import b\nafter(1)\n",
    ],
)
def test_newer_statements(text: str) -> None:
    assert _names(_source(text))["after"] == _place(text, "after")


def test_type_parameters_do_not_move_what_follows() -> None:
    text = "class Répo[T](Base): pass\ntype X[T] = Value\n"
    names = _names(_source(text))
    assert (names["Base"], names["Value"]) == (_place(text, "Base"), _place(text, "Value"))


@pytest.mark.parametrize(
    "text",
    [
        'x = f"{inner["k"]}" + after(1)\n',
        "x = f'{inner['k']} and {1:{2}}' + after(1)\n",
        'x = f"{"\\n".join(inner)} z" + after(1)\n',
        'x = f"é{inner["é"]}" + after(1)\n',
        'x = f"{\n    inner["k"]  # a comment with }\n}" + after(1)\n',
        'x = f"""{\n    inner["k"]  # a comment with }"\n}\n""" + after(1)\n',
        'x = f"{f"{f"{f"{f"{inner["k"]}"}"}"}"}" + after(1)\n',
        'x = f"{1!r:>{inner["k"]}} {2:%H:%M}" + after(1)\n',
        'x = f"{inner["k"]=} {{}} {1:=^5}" + after(1)\n',
        'x = f"\\N{EM DASH} {inner["k"]} }}" + after(1)\n',
        "x = rf'\\d{inner['k']}\\'' + after(1)\n",
        'x = "plain {" f"{inner["k"]}" + after(1)\n',
        'x = f"{(lambda: inner)()["k"]!r}" + after(1)\n',
        'x = f"{inner["{"]}" + after(1)\n',
        'x = t"select {inner["k"]}" + after(1)\n',
        "x = t'select {inner}' + after(1)\n",
        'x = rt"\\d{inner}" + after(1)\n',
        'x = T"""{\ninner}""" + after(1)\n',
    ],
)
def test_newer_strings(text: str) -> None:
    source = _source(text)
    names = _names(source)
    assert names["after"] == _place(text, "after")
    assert any(isinstance(node, ast.JoinedStr) for node in ast.walk(source.tree))
    assert not any(name.startswith("_h") for name in names)
    # Older versions of Python do not know where an expression in a string of their own stands.
    if '["' in text or "['" in text:
        assert names["inner"] == _place(text, "inner")


def test_the_parts_of_a_newer_string_are_kept() -> None:
    source = _source('x = f"a {d["k"]} b {e!r:>{w["n"]}}"\n')
    assert [type(node).__name__ for node in ast.walk(source.tree)].count("FormattedValue") == 3
    constants = {node.value for node in ast.walk(source.tree) if isinstance(node, ast.Constant)}
    assert {"a ", " b ", "k", "n", ">"} <= constants


def test_a_name_like_that_of_a_stand_in_is_kept() -> None:
    assert "_h0" in _names(_source('x = f"{d["k"]}{_h0}"\n'))


def test_a_string_that_ends_the_file_without_a_line_end_is_read() -> None:
    _source('x = f"{\nd["k"]\n}"')


def test_suppressions_are_found_beside_newer_syntax() -> None:
    source = _source('def f[T](x):\n    g(f"{x["#"]}")  # perfaudit: ignore[PA501] known\n')
    assert [(s.line, s.target_line, s.rules) for s in source.suppressions] == [(2, 2, ("PA501",))]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("def f[T](x):\n    return x +\n", 2),
        ("type X = int\n\ny = (\n", 3),
        ("def f[T(x): pass\n", 1),
        ('x = f"{d["k"]"\n', 1),
        ('x = f"{d["k"}"\n', 1),
        ("try:\n    f()\nexcept A, B as e:\n    pass\n", 3),
    ],
)
def test_what_no_version_reads_is_a_problem(text: str, line: int) -> None:
    result = parse_python("a.py", text.encode())
    assert isinstance(result, Problem)
    assert (result.kind, result.line) == ("syntax", line)


def test_strings_nested_without_end_are_a_problem() -> None:
    text = 'x = f"{' + 'f"{' * 5_000 + "1" + '}"' * 5_000 + '}"'
    result = parse_python("a.py", text.encode())
    assert isinstance(result, Problem)
    assert result.kind in ("syntax", "too-deep")


def test_a_large_file_of_newer_syntax_takes_no_more_than_its_share() -> None:
    source = _source('x = f"{a["k"]}"; ' * 20_000)
    assert len(source.tree.body) == 20_000


@pytest.mark.parametrize("path", OWN_FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_older_code_beside_newer_syntax_is_read_as_ever(path: Path) -> None:
    text = path.read_text(encoding="utf-8") + "\ntry: f()\nexcept First, Second: pass\n"
    before = ast.parse(path.read_bytes())
    after = _source(text).tree.body[: len(before.body)]
    assert [ast.dump(node, include_attributes=True) for node in after] == [
        ast.dump(node, include_attributes=True) for node in before.body
    ]
