"""Type expressions of library files."""

import pytest

from perfaudit.libraries.expressions import parse_type
from perfaudit.libraries.types import TypeExpr

STR = TypeExpr("named", "str")
FIRST = TypeExpr("argument", "0")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("str", STR),
        ("any", TypeExpr("any")),
        ("self", TypeExpr("self")),
        ("asyncpg.Pool", TypeExpr("named", "asyncpg.Pool")),
        ("T", TypeExpr("parameter", "T")),
        ("arg0", FIRST),
        ("arg12", TypeExpr("argument", "12")),
        ("arg:model", TypeExpr("argument", "model")),
        ("list[T]", TypeExpr("named", "list", (TypeExpr("parameter", "T"),))),
        ("dict[str, T]", TypeExpr("named", "dict", (STR, TypeExpr("parameter", "T")))),
        ("str | none", TypeExpr("union", "", (STR, TypeExpr("named", "none")))),
        ("instance(arg0)", TypeExpr("instance", "", (FIRST,))),
        ("parameter(arg0)", TypeExpr("parameter_of", "", (FIRST,))),
        (
            "a.Select[instance(arg0) | any]",
            TypeExpr(
                "named",
                "a.Select",
                (TypeExpr("union", "", (TypeExpr("instance", "", (FIRST,)), TypeExpr("any"))),),
            ),
        ),
    ],
)
def test_parse(text: str, expected: TypeExpr) -> None:
    assert parse_type(text, ("T",)) == expected


@pytest.mark.parametrize(
    "text",
    ["", "list[", "list[]", "list[str]]", "a..b", "U", "str |", "any[str]", "dict[str str]",
     "instance(a.B, a.C)", "instance()", "a b", "a-b", "(str)"],
)  # fmt: skip
def test_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_type(text, ("T",))
