"""Each of these files is newer than some Python that perfaudit runs on, and is read by all."""

import ast
from pathlib import Path

import pytest

import perfaudit
from perfaudit.audit import audit, program_of
from perfaudit.config import Settings
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
        "try:\n    f()\nexcept First, Second:  # a comment: with (signs\n    after()\n",
        "try:\n    f()\nexcept First, (lambda: Second)():\n    after()\n",
        "try:\n\tf()\nexcept\tFirst, Second:\n\tafter()\n",
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


NEWER_STATEMENTS = {
    "a generic function": "def f[T](x: T) -> T:\n    return after(x)\n",
    "a bound": "def f[T: int](x: T) -> T:\n    return after(x)\n",
    "constraints": "def f[T: (int, str)](x: T) -> T:\n    return after(x)\n",
    "a generic coroutine": "async def f[T, *Ts, **P](x: T) -> T:\n    return await after(x)\n",
    "a generic class": "class C[T]:\n    def m(self): return after()\n",
    "a generic class with bases": "class C[T](Base[T], metaclass=M):\n    x = after()\n",
    "a generic method": "class C:\n    def m[U](self, u: U): return after()\n",
    "an alias": "type X = int\nafter()\n",
    "a generic alias": "type X[T] = list[T]\nafter()\n",
    "an alias over lines": "type X = (\n    int\n    | str\n)\nafter()\n",
    "an alias after a line joined": "type X \\\n  = int\nafter()\n",
    "an alias in a function": "def f():\n    type X = int\n    return after()\n",
    "an alias on the line of an if": "if x: type Y = int\nafter()\n",
    "a default of a class": "class C[T = int]: pass\nafter()\n",
    "a default of a function": "def f[T: int = bool](x): pass\nafter()\n",
    "a default of a tuple": "class C[*Ts = *tuple[int, ...]]: pass\nafter()\n",
    "defaults of an alias": "type X[T = int, **P = [int]] = list[T]\nafter()\n",
    "decorators": "@d[T]\n@(y := x)\n@a.b(1)[0]\ndef f[T](x): pass\nafter()\n",
    "a string in a decorator": '@d(f"{d["k"]}")\nclass C[T]: pass\nafter()\n',
}


@pytest.mark.parametrize("text", NEWER_STATEMENTS.values(), ids=NEWER_STATEMENTS)
def test_each_newer_statement_is_read_where_it_stands(text: str) -> None:
    assert _names(_source(text))["after"] == _place(text, "after")


AS_EVER = {
    "patterns": (
        "match x:\n    case {'a': 1, **rest} if rest: f(rest)\n    case [1, *_] | (2, 3): f()\n"
        "    case C(a=1): f()\n    case _: f()\n"
    ),
    "match and case as names": (
        "match = 1\ncase = 2\nprint(match, case)\nmatch[case] = 3\nmatch(case)\n"
    ),
    "type as a name": (
        "type = 1\ntype[0] = 2\ntype.x = 3\ntype: int = 3\ntype(x)\ntype += 1\nf(type=1)\n"
        "x = type if type else y\nx = (\n    type\n)\ntype\nX = int\n"
    ),
    "t as a name": 't = 3\nt[0] = 1\nf(t, t=1)\nt ("a")\nx = t if t else rt\nrt = f\n',
    "lazy as a name": "lazy = 1\nlazy(lazy)\nlazy.x = lazy\n",
    "except with parentheses": "try: f()\nexcept (A, B) as e: g(e)\n",
}


@pytest.mark.parametrize("text", AS_EVER.values(), ids=AS_EVER)
def test_what_only_looks_newer_is_left_alone(text: str) -> None:
    newer = "\ntry: f()\nexcept First, Second: pass\n"
    after = _source(text + newer).tree.body
    before = ast.parse(text).body
    assert [ast.dump(node, include_attributes=True) for node in after[: len(before)]] == [
        ast.dump(node, include_attributes=True) for node in before
    ]


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
        'x = t"{t"{inner["k"]}"}" + after(1)\n',
        'x = f"{t"{f"{inner["k"]}"}"}" + after(1)\n',
        'x = Rt"{inner["k"]}" + tR"{inner}" + TR"{inner}" + after(1)\n',
        'x = t"{inner["k"]!s:>{1}}" + after(1)\n',
        'x = f"{f"{f"{f"{inner["k"]}"}"}"}" + after(1)\n',
        'x = f"{[i for i in inner["k"] if i]}" + after(1)\n',
        'x = f"{(y := inner["k"])}" + after(1)\n',
        'x = f"{*z, inner["k"]}" + after(1)\n',
        'x = f"{ {"a": 1}[inner["k"]] }" + after(1)\n',
        'x = f"a\\\n{inner["k"]}" + after(1)\n',
        'x = f"""{"""a"""}{inner["k"]}""" + after(1)\n',
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


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('f"{"a"}{requests.get(url["k"])}"', 4),
        ('t"{requests.get(url)}"', 4),
        ('rt"\\d{f"{requests.get(url["k"])}"}"', 4),
        ('f"""\n{\n  requests.get(url["k"])  # why\n}"""', 6),
        ('t"""\n\n{requests.get(url)}"""', 6),
        ('f"{f"{f"{requests.get(url["k"]).json()["x"]}"}"}"', 4),
    ],
)
def test_a_call_in_a_newer_string_is_a_fact_on_its_line(text: str, line: int) -> None:
    code = f"import requests\n\nasync def f(url):\n    return {text}\n"
    places = [
        site.location.line
        for site in program_of({"app.py": code}).sites()
        if site.name == "requests.get"
    ]
    assert places == [line]


def test_what_is_found_in_newer_syntax_is_reported_on_its_line(tmp_path: Path) -> None:
    code = (
        "import time\n\ntype Name[T] = list[T]\n\n\n"
        "async def f[T](x: T) -> T:\n    try:\n"
        '        g(f"{x["k"]}{time.sleep(1)}")\n'
        "    except ValueError, KeyError:\n        time.sleep(2)\n"
    )
    (tmp_path / "app.py").write_text(code)
    findings = audit(tmp_path, [tmp_path], Settings(cache=False, jobs=1)).report.findings
    assert {item.location.line for item in findings if item.rule == "PA601"} == {8, 10}
