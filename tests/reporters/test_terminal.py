"""What a developer sees in ten seconds."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.cells import cell_len
from sample_report import RULES, SNIPPET, sample_finding, sample_report

from perfaudit.core.finding import Finding, TraceStep
from perfaudit.core.location import Location
from perfaudit.core.report import Report, Scorecard
from perfaudit.reporters import RenderOptions
from perfaudit.reporters.terminal import render


def lines_of(report: Report, **options: object) -> list[str]:
    return render(report, RULES, RenderOptions(**options)).split("\n")  # type: ignore[arg-type]


def line_with(lines: list[str], words: str) -> str:
    return next(line for line in lines if words in line)


def one(finding: Finding, **options: object) -> list[str]:
    return lines_of(sample_report((finding,)), **options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("terminal-100.txt", RenderOptions(width=100)),
        ("terminal-60-ascii.txt", RenderOptions(width=60, encoding="ascii")),
        ("terminal-80-color.txt", RenderOptions(width=80, color=True)),
        (
            "terminal-verbose.txt",
            RenderOptions(width=100, verbose=True, show_suppressed=True),
        ),
    ],
)
def test_the_report_is_the_golden(
    check_golden: Callable[[str, str], None], name: str, options: RenderOptions
) -> None:
    check_golden(name, render(sample_report(), RULES, options))


def test_a_clean_project_is_told_so(check_golden: Callable[[str, str], None]) -> None:
    text = render(sample_report((), (), ()), RULES)

    assert "no findings" in text
    check_golden("terminal-clean.txt", text)


@pytest.mark.parametrize("width", [48, 60, 72, 80, 100, 120, 300])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    lines = lines_of(sample_report(), width=width, verbose=True, show_suppressed=True)

    assert [line for line in lines if cell_len(line) > width] == []


def test_the_grade_comes_first() -> None:
    lines = lines_of(sample_report())

    assert "D   69.0 of 100" in lines[2]
    assert lines.index(line_with(lines, "Latency")) < 6


def test_a_withheld_grade_says_why() -> None:
    report = sample_report()
    card = Scorecard(None, None, report.scorecard.categories, "only 12% was resolved")

    text = render(replace(report, scorecard=card), RULES)

    assert "No grade: only 12% was resolved." in text


def test_the_region_is_underlined() -> None:
    lines = one(sample_finding())
    source = line_with(lines, "42 │")
    under = lines[lines.index(source) + 1]

    assert source.index("store.list_goals(agent.id)") == under.index("━")
    assert under.count("━") == len("store.list_goals(agent.id)")


def test_wide_letters_do_not_shift_the_underline() -> None:
    snippet = "\tx = '日本語'; y = load(x)"
    start = snippet.index("load") + 1
    place = Location("a.py", 7, start, 7, start + len("load(x)"))
    lines = one(sample_finding(location=place, snippet=snippet, trace=()))
    source = line_with(lines, "7 │")
    under = lines[lines.index(source) + 1]

    assert cell_len(source[: source.index("load")]) == under.index("━")
    assert under.count("━") == len("load(x)")


def test_a_long_line_is_cut_around_its_region() -> None:
    snippet = f"x = [{'0, ' * 200}] + load(everything) + [{'1, ' * 200}]"
    start = snippet.index("load") + 1
    place = Location("a.py", 7, start, 7, start + len("load(everything)"))
    lines = one(sample_finding(location=place, snippet=snippet, trace=()), width=80)
    source = line_with(lines, "7 │")

    assert "load(everything)" in source
    assert cell_len(source) <= 80
    assert source.index("load") == lines[lines.index(source) + 1].index("━")


@pytest.mark.parametrize(
    "place",
    [
        Location("a.py", 7, 500, 7, 510),
        Location("a.py", 7, 5, 9, 2),
        Location("a.py", 7, 9, 7, 3),
    ],
)
def test_a_region_that_does_not_fit_the_line_does_no_harm(place: Location) -> None:
    lines = one(sample_finding(location=place, snippet=SNIPPET, trace=()))

    assert "store.list_goals(agent.id)" in line_with(lines, "7 │")


def test_findings_of_one_sink_are_shown_together() -> None:
    short = "\n".join(lines_of(sample_report()))
    whole = "\n".join(lines_of(sample_report(), verbose=True))

    assert "and 2 more callers of the same place" in short
    assert "app/api/reports.py" not in short
    assert "also app/api/reports.py:17:23  GET /reports/weekly" in whole


def test_the_worst_place_of_each_rule_is_shown_before_a_second_one() -> None:
    many = tuple(
        sample_finding(
            name, 100 + number, number, location=Location("a.py", 100 + number), trace=()
        )
        for name in ("query-in-loop", "missing-rate-limit")
        for number in range(20)
    )
    text = "\n".join(lines_of(sample_report(many), limit=4))

    assert "a.py:101:1" in text
    assert text.count("Nothing limits") + text.count("store.list_goals() queries") == 4
    assert "and 18 more places of query-in-loop" in text
    assert "and 18 more places of missing-rate-limit" in text
    assert "perfaudit scan --verbose" in text


def test_rules_that_found_no_room_are_named() -> None:
    text = "\n".join(lines_of(sample_report(), limit=2))

    assert "And 3 findings of: missing-rate-limit (1), select-star (1) and missing-tracing" in text


def test_a_long_trace_keeps_its_ends() -> None:
    steps = tuple(
        TraceStep(Location("a.py", number), f"step number {number}.") for number in range(1, 13)
    )
    short = "\n".join(one(sample_finding(trace=steps)))
    whole = "\n".join(one(sample_finding(trace=steps), verbose=True))

    assert "step number 1." in short
    assert "7 more steps" in short
    assert "step number 7." not in short
    assert "step number 12." in short
    assert "step number 7." in whole


def test_what_if_names_the_findings_and_the_grade() -> None:
    text = render(sample_report(), RULES)

    assert "mend missing-rate-limit (1 finding): Throughput 70.0 → 100.0" in text
    assert "grade D → B" in text


def test_what_if_names_what_the_report_leaves_out() -> None:
    text = render(replace(sample_report(), findings=()), RULES)

    assert "mend missing-rate-limit (1 finding)" in text


def test_problems_are_never_passed_over() -> None:
    text = render(sample_report(), RULES)

    assert "Not audited: 1 problem" in text
    assert "app/legacy.py:7  expected an indented block" in text


def test_a_reader_learns_what_to_do_next() -> None:
    assert "perfaudit explain PA601" in render(sample_report(), RULES)


def test_no_color_means_no_escape_and_color_has_the_same_words() -> None:
    plain = render(sample_report(), RULES)
    colored = render(sample_report(), RULES, RenderOptions(color=True))

    assert "\x1b" not in plain
    assert "\x1b[" in colored
    stripped = re.sub(r"\x1b\[[0-9;]*m", "", colored)
    assert [line.rstrip() for line in stripped.split("\n")] == plain.split("\n")


def test_the_environment_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = render(sample_report(), RULES, RenderOptions(color=True))
    for name, value in (("NO_COLOR", "1"), ("TERM", "dumb"), ("COLUMNS", "20")):
        monkeypatch.setenv(name, value)

    assert render(sample_report(), RULES, RenderOptions(color=True)) == expected
