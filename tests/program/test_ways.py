"""An answer about the last of some calls holds for all rows that end in the calls it looked at."""

from collections.abc import Callable
from typing import Any, cast

import pytest

from perfaudit.program.sites import Edge
from perfaudit.program.ways import Answers, Way

FIRST, SECOND, THIRD, LAST = (cast("Edge", object()) for _ in range(4))
"""Calls, of which only the identity counts here."""


def only_last(way: Way) -> bool:
    return way.last is LAST


def one_before(way: Way) -> bool:
    return way.before.is_any and way.before.last is SECOND


def is_alone(way: Way) -> bool:
    return not way.before.is_any


def begins(way: Way) -> bool:
    while way.before.is_any:
        way = way.before
    return way.last is FIRST


@pytest.mark.parametrize(
    ("asked", "rows"),
    [
        (only_last, [((FIRST, LAST), True, 1), ((SECOND, THIRD, LAST), True, 1)]),
        (
            one_before,
            [
                ((FIRST, SECOND, LAST), True, 1),
                ((THIRD, SECOND, LAST), True, 1),
                ((SECOND, THIRD, LAST), False, 2),
                ((LAST,), False, 3),
            ],
        ),
        (is_alone, [((LAST,), True, 1), ((FIRST, LAST), False, 2), ((SECOND, LAST), False, 3)]),
        (
            begins,
            [
                ((FIRST, SECOND, LAST), True, 1),
                ((THIRD, FIRST, SECOND, LAST), False, 2),
                ((SECOND, LAST), False, 3),
                ((FIRST, SECOND, LAST), True, 3),
            ],
        ),
    ],
)
def test_rows_that_end_alike_are_asked_once(
    asked: Callable[[Way], bool], rows: list[tuple[tuple[Edge, ...], bool, int]]
) -> None:
    answers = Answers()
    worked_out = 0

    def counted(row: Way) -> bool:
        nonlocal worked_out
        worked_out += 1
        return asked(row)

    for edges, expected, count in rows:
        row = answers.row(edges)
        assert answers.about(row, "question", lambda row=row: counted(row)) is expected
        assert worked_out == count


def test_a_question_looks_as_far_back_as_those_that_it_asks() -> None:
    answers = Answers()

    def outer(row: Way) -> bool:
        return answers.about(row, "inner", lambda: one_before(row))

    def asked(*edges: Edge) -> Any:
        row = answers.row(edges)
        return answers.about(row, "outer", lambda: outer(row))

    assert asked(FIRST, SECOND, LAST) is True
    assert asked(FIRST, THIRD, LAST) is False
    # The inner one is known here, and has looked at the call before all the same.
    other = answers.row((THIRD, SECOND, LAST))
    assert answers.about(other, "another", lambda: outer(other)) is True
    third = answers.row((SECOND, THIRD, LAST))
    assert answers.about(third, "another", lambda: outer(third)) is False


def test_another_question_has_answers_of_its_own() -> None:
    answers = Answers()
    row = answers.row((FIRST, LAST))

    assert answers.about(row, "one", lambda: only_last(row)) is True
    assert answers.about(row, "other", lambda: not only_last(row)) is False
