"""One application, written for two libraries of rows, has the same flaws in the same functions."""

import ast
from functools import cache
from pathlib import Path

import pytest

from perfaudit.audit import audit
from perfaudit.config import Settings

FIXTURES = Path(__file__).parents[2] / "fixtures"
DJANGO, SQLALCHEMY = "counted_django", "counted_fastapi"
SHARED = "clinic/reports.py"
"""The file that both have, with functions of the same names that do the same."""

SOUND = frozenset(
    {
        "patients_with_insurers_joined",
        "remind_patients_at_once",
        "settle_invoices_at_once",
        "unpaid_total",
    }
)
DISAGREE = {
    "settle_invoices": "a flush of changed objects is not yet a write of each",
    "urgent_visits": "a query beside the relation is one per row, and the load is not used",
}
"""Functions of which one twin is reported and the other is not, and why."""


def functions_of(application: str) -> list[str]:
    """Return the names of the functions of the shared file."""
    tree = ast.parse((FIXTURES / application / SHARED).read_text())
    return [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


@cache
def found_in(application: str) -> dict[str, frozenset[str]]:
    """Return the rules that speak of each function of the shared file."""
    root = FIXTURES / application
    found: dict[str, set[str]] = {}
    for finding in audit(root, [root], Settings(cache=False, jobs=1)).report.findings:
        if finding.location.path == SHARED:
            found.setdefault(finding.function.rpartition(".")[2], set()).add(finding.rule)
    return {function: frozenset(rules) for function, rules in found.items()}


def test_twins_have_the_same_functions() -> None:
    assert functions_of(DJANGO) == functions_of(SQLALCHEMY)
    assert len(functions_of(DJANGO)) >= 12


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(
            name,
            marks=pytest.mark.xfail(
                name in DISAGREE, reason=DISAGREE.get(name, ""), strict=True, raises=AssertionError
            ),
        )
        for name in functions_of(DJANGO)
    ],
)
def test_twins_have_the_same_flaws(function: str) -> None:
    rules = found_in(DJANGO).get(function, frozenset())
    assert rules == found_in(SQLALCHEMY).get(function, frozenset())
    if function in SOUND:
        assert not rules


def test_most_of_the_flawed_functions_are_reported() -> None:
    """Twins of which nothing is said would be the same, too."""
    flawed = set(functions_of(DJANGO)) - SOUND
    assert len(flawed & set(found_in(DJANGO))) >= 7
