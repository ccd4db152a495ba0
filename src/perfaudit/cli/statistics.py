"""The counts that ``perfaudit scan --statistics`` prints: findings, and calls understood."""

from collections import Counter
from collections.abc import Iterator, Mapping

from perfaudit.core.report import Coverage, Report
from perfaudit.core.visible import visible
from perfaudit.program.coverage import MEANINGS
from perfaudit.program.sql_coverage import SqlCoverage

KIND_MEANINGS = {
    "project": "defined in the audited files",
    "library": "described by a library file",
    "builtin": "of the language",
    "third party": "only the library is known, not what it does",
    "callable": "only what it gives is known",
}
"""What the kinds of resolved calls mean, in the order of the table."""


MAX_STATEMENTS = 20
"""How many statements are shown that could not be read."""


def statistics(report: Report, sql: SqlCoverage | None = None) -> str:
    """Return how many findings each rule has, most first, and how many calls are understood.

    Also how many statements in ``sql`` can be read, where some are run.
    """
    lines = [*_findings(report), "", *_calls(report.coverage)]
    if sql is not None and sql.known:
        lines += ["", *_statements(sql)]
    return "\n".join(lines)


def _findings(report: Report) -> Iterator[str]:
    numbers = Counter((finding.rule, finding.name) for finding in report.findings)
    if not numbers:
        yield "No findings."
    for (rule, name), number in sorted(numbers.items(), key=lambda row: (-row[1], row[0])):
        yield f"{number:>6}  {rule}  {name}"


def _calls(coverage: Coverage) -> Iterator[str]:
    total = coverage.calls
    yield f"{total:>8,}  calls"
    if not total:
        return
    yield _row(coverage.resolved, total, "resolved")
    for kind, meaning in KIND_MEANINGS.items():
        yield _row(coverage.kinds.get(kind, 0), total, f"  {kind}", meaning)
    yield _row(total - coverage.resolved, total, "not resolved")
    for reason, number in coverage.unresolved.items():
        yield _row(number, total, f"  {reason}", MEANINGS.get(reason, ""))
    yield f"{coverage.chains_truncated:>8,}  call chains cut short"
    yield from _named("Called most among those not resolved:", coverage.unresolved_names)
    yield from _named("Called most of what no library file describes:", coverage.undescribed)


def _statements(sql: SqlCoverage) -> Iterator[str]:
    yield f"{sql.known:>8,}  calls that run SQL in text"
    yield _row(sql.known - len(sql.unread), sql.known, "read")
    yield _row(len(sql.unread), sql.known, "not read")
    for place, text in sql.unread[:MAX_STATEMENTS]:
        yield f"          {visible(place.path)}:{place.line}  {visible(text)}"
    if len(sql.unread) > MAX_STATEMENTS:
        yield f"          and {len(sql.unread) - MAX_STATEMENTS} more"


def _row(number: int, total: int, name: str, meaning: str = "") -> str:
    return f"{number:>8,}  {number / total:>6.1%}  {name:<28}  {meaning}".rstrip()


def _named(title: str, numbers: Mapping[str, int]) -> Iterator[str]:
    if numbers:
        yield ""
        yield title
    for name, number in numbers.items():
        yield f"{number:>8,}  {name}"
