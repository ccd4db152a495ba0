"""The report of a performance analyst, as Markdown. Every sentence is computed from the audit."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from perfaudit.core.finding import Finding
from perfaudit.core.levels import Effort, Severity
from perfaudit.core.report import CategoryScore, EndpointCard, Improvement, Report
from perfaudit.core.rule import Rule
from perfaudit.core.visible import visible
from perfaudit.reporters.escaping import (
    cell,
    markdown,
    markdown_block,
    markdown_code,
    visible_lines,
)
from perfaudit.reporters.grouping import (
    EFFORT_WORDS,
    Cluster,
    RuleGroup,
    by_rule,
    counted,
    counts_by_severity,
    listed,
)
from perfaudit.reporters.load_test import locust_file
from perfaudit.reporters.options import DEFAULTS, RenderOptions

MOST_PLACES = 20
URGENT = (Severity.CRITICAL, Severity.HIGH)
IMPACTS = ("latency", "throughput", "resources")


class Priority(NamedTuple):
    """When to do something."""

    id: str
    title: str


PRIORITIES = (
    Priority("P0", "at once"),
    Priority("P1", "next"),
    Priority("P2", "planned"),
    Priority("P3", "when passing by"),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One numbered finding of the report: findings of one rule that end in one place."""

    id: str
    cluster: Cluster
    rule: Rule | None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """One numbered recommendation: a rule, what it found, and when to mend it."""

    id: str
    group: RuleGroup
    rule: Rule | None
    priority: Priority
    entries: tuple[Entry, ...]

    @property
    def effort(self) -> Effort:
        """Return the effort of mending one place."""
        return self.group.clusters[0].first.effort


def render(report: Report, rules: Mapping[str, Rule], options: RenderOptions = DEFAULTS) -> str:
    """Return the report as GitHub-flavoured Markdown; ``rules`` are keyed by name."""
    entries = _entries(report.findings, rules)
    recommendations = _recommendations(report.findings, entries, rules)
    parts = [
        *_head(report),
        *_summary(report, entries),
        *_coverage(report),
        *_findings(report, entries),
        *_strengths(report),
        *_weaknesses(report, entries),
        *_score(report, entries),
        *_recommended(report, recommendations),
        *_roadmap(recommendations),
        *_anti_patterns(recommendations),
        *_endpoints(report),
        *_suppressed(report, options),
        *_problems(report),
        *_conclusion(report, recommendations),
    ]
    return "\n\n".join(parts) + "\n"


def _entries(findings: Iterable[Finding], rules: Mapping[str, Rule]) -> list[Entry]:
    clusters = [cluster for group in by_rule(findings) for cluster in group.clusters]
    clusters.sort(key=lambda cluster: cluster.first.sort_key())
    return [
        Entry(f"F-{number:03}", cluster, rules.get(cluster.first.name))
        for number, cluster in enumerate(clusters, 1)
    ]


def _recommendations(
    findings: Iterable[Finding], entries: Sequence[Entry], rules: Mapping[str, Rule]
) -> list[Recommendation]:
    groups = [group for group in by_rule(findings) if group.severity != Severity.ADVICE]
    ordered = sorted(groups, key=lambda group: _priority(group).id)
    return [
        Recommendation(
            f"R-{number:03}",
            group,
            rules.get(group.name),
            _priority(group),
            tuple(entry for entry in entries if entry.cluster.first.name == group.name),
        )
        for number, group in enumerate(ordered, 1)
    ]


def _priority(group: RuleGroup) -> Priority:
    """Return when to mend what a rule found: the worse and the cheaper, the sooner."""
    severity, effort = group.severity, group.clusters[0].first.effort
    cheap = effort in (Effort.XS, Effort.S)
    if severity == Severity.CRITICAL or (severity == Severity.HIGH and cheap):
        return PRIORITIES[0]
    if severity == Severity.HIGH or (severity == Severity.MEDIUM and cheap):
        return PRIORITIES[1]
    return PRIORITIES[2] if severity == Severity.MEDIUM else PRIORITIES[3]


def _head(report: Report) -> Iterator[str]:
    project = report.project
    yield f"# Performance audit of {markdown(project.root)}"
    yield _table(
        ("", ""),
        [
            ("Target", markdown_code(project.root)),
            (
                "Read",
                f"{counted(project.files, 'file')}, {counted(project.lines, 'line')},"
                f" {counted(project.entry_points, 'entry point')}",
            ),
            ("Mode", "static: nothing was run, nothing was changed"),
            ("Tool", f"perfaudit {markdown(report.version)}"),
        ],
    )


def _summary(report: Report, entries: Sequence[Entry]) -> Iterator[str]:
    yield "## Executive summary"
    card = report.scorecard
    if card.overall is None:
        grade = f"**No grade**: {markdown(card.withheld)}."
    else:
        grade = f"**Grade {card.grade}**, {card.overall:.2f} of 100."
    yield " ".join((grade, _found(report), _weakest(report)))
    marks = [
        f"- {'❌' if entry.cluster.first.severity in URGENT else '⚠️'}"
        f" {entry.id} {markdown(entry.cluster.first.message)}"
        for entry in entries[:5]
        if entry.cluster.first.severity != Severity.ADVICE
    ]
    marks += [f"- ✅ {_strength(each.text, each.count)}" for each in report.strengths[:3]]
    if marks:
        yield "\n".join(marks)


def _found(report: Report) -> str:
    if not report.findings:
        return "The audit found nothing to mend."
    counts = counts_by_severity(report.findings)
    parts = [
        f"{count} {severity}" + (" notes" if severity == Severity.ADVICE and count > 1 else "")
        for severity, count in counts.items()
    ]
    places = len({finding.location.path for finding in report.findings})
    found = counted(len(report.findings), "finding")
    return f"The audit found {found} in {counted(places, 'file')}: {listed(parts)}."


def _weakest(report: Report) -> str:
    judged = [each for each in report.scorecard.categories if each.score is not None]
    if not judged:
        return "No category had anything to inspect."
    weakest = min(judged, key=lambda each: each.score or 0.0)
    strongest = max(judged, key=lambda each: each.score or 0.0)
    if weakest.score == strongest.score:
        names = "Every category that applies"
        return f"{names} scores {weakest.score:.2f}."
    return (
        f"The weakest category is {markdown(weakest.title)} with {weakest.score:.2f},"
        f" the strongest {markdown(strongest.title)} with {strongest.score:.2f}."
    )


def _coverage(report: Report) -> Iterator[str]:
    yield "## Coverage"
    yield _table(
        ("Dimension", "Inspected", "Failing"),
        [
            (
                markdown(each.title),
                f"{each.inspected:,}" if each.score is not None else "nothing to inspect",
                f"{each.failing:,}" if each.score is not None else "",
            )
            for each in report.scorecard.categories
        ],
    )
    inventory, coverage = report.inventory, report.coverage
    rows = [
        ("Async functions", f"{inventory.async_functions:,}"),
        ("Places that await together (`gather`)", f"{inventory.gather_sites:,}"),
        ("Endpoints", f"{inventory.endpoints:,}"),
        ("Tables", f"{inventory.tables:,}"),
        ("Indexes", f"{inventory.indexes:,}"),
        ("SELECT statements", f"{inventory.select_statements:,}"),
        ("Cache sites", f"{inventory.cache_sites:,}"),
        ("Connection pools", f"{inventory.pools:,}"),
    ]
    if coverage.share is not None:
        resolved = f"{coverage.resolved:,} of {coverage.calls:,} ({coverage.share:.1%})"
        rows.append(("Calls resolved", resolved))
    for reason, count in sorted(coverage.unresolved.items(), key=lambda item: (-item[1], item[0])):
        rows.append((f"Unresolved: {markdown(reason)}", f"{count:,}"))
    if coverage.chains_truncated:
        rows.append(("Call chains cut short", f"{coverage.chains_truncated:,}"))
    if coverage.files_skipped:
        rows.append(("Files that could not be read", f"{len(coverage.files_skipped):,}"))
    yield _table(("Counted fact", "Number"), rows)
    yield "What could not be resolved was not judged: silence there is no pass."


def _findings(report: Report, entries: Sequence[Entry]) -> Iterator[str]:
    yield "## Findings"
    if not entries:
        yield "None."
    titles = _titles(report)
    explained: dict[str, str] = {}
    for entry in entries:
        yield from _finding(entry, titles, explained.get(entry.cluster.first.name, ""))
        explained.setdefault(entry.cluster.first.name, entry.id)


def _finding(entry: Entry, titles: Mapping[str, str], explained: str) -> Iterator[str]:
    """Yield one finding; ``explained`` is the one that already said why its rule matters."""
    finding, rule = entry.cluster.first, entry.rule
    yield f"### {entry.id} {markdown(finding.message)}"
    rows = [
        ("Severity", f"**{finding.severity}**, {finding.confidence} confidence"),
        ("Category", markdown(titles.get(finding.category, finding.category))),
        ("Rule", f"{markdown_code(finding.name)} ({markdown(finding.rule)})"),
        ("Location", markdown_code(str(finding.location))),
    ]
    if finding.function:
        rows.append(("Function", markdown_code(finding.function)))
    if finding.endpoint:
        rows.append(("Endpoint", markdown_code(finding.endpoint)))
    if finding.cost:
        rows.append(("Cost", markdown_code(finding.cost)))
    rows.append(("Effort", f"{finding.effort} ({EFFORT_WORDS[finding.effort]})"))
    yield _table(("", ""), rows)
    if rule and rule.why and not explained:
        yield visible_lines(rule.why).strip()
    if finding.snippet.strip():
        yield f"Evidence, line {finding.location.line}:"
        yield markdown_block(finding.snippet, "python")
    if finding.trace:
        yield "\n".join(
            f"{number}. {markdown(step.message)} ({markdown_code(str(step.location))})"
            for number, step in enumerate(finding.trace, 1)
        )
    yield from _others(entry.cluster.others)
    impacts = [
        f"- {aspect.capitalize()}: {visible(rule.impact[aspect]).strip()}"
        for aspect in IMPACTS
        if rule and rule.impact.get(aspect)
    ]
    if explained:
        yield f"Why it matters: as in {explained}."
    elif impacts:
        yield "**Impact**"
        yield "\n".join(impacts)
    remedy = markdown(finding.fix) if finding.fix else _remedy(rule)
    if remedy:
        yield f"**Recommendation.** {remedy}"


def _others(others: Sequence[Finding]) -> Iterator[str]:
    if not others:
        return
    places = [markdown_code(str(other.location)) for other in others[:MOST_PLACES]]
    hidden = len(others) - len(places)
    more = f" and {hidden} more" if hidden else ""
    yield f"The same place is reached from {counted(len(others), 'more caller')}: " + (
        ", ".join(places) + more + "."
    )


def _remedy(rule: Rule | None) -> str:
    """Return the remediation of a rule, which its author wrote as Markdown."""
    return visible_lines(rule.fix).strip() if rule else ""


def _strengths(report: Report) -> Iterator[str]:
    titles = _titles(report)
    yield "## Strengths"
    lines = [
        f"- {_strength(each.text, each.count)}, {markdown(titles.get(each.category, ''))}"
        for each in report.strengths
    ]
    lines += [
        f"- {markdown(each.title)}: {each.inspected:,} of"
        f" {counted(each.inspected, 'inspected place')} sound"
        for each in report.scorecard.categories
        if each.score is not None and each.failing == 0
    ]
    yield "\n".join(lines) or "None was counted."


def _strength(text: str, count: int) -> str:
    return f"{markdown(text)} ({count:,})"


def _weaknesses(report: Report, entries: Sequence[Entry]) -> Iterator[str]:
    yield "## Weaknesses"
    ranked = sorted(
        (each for each in report.scorecard.categories if each.failing),
        key=lambda each: (each.weighted - each.weight, each.id),
    )
    lines = []
    for rank, category in enumerate(ranked, 1):
        names = _ids_of(category.lost, entries)
        lines.append(
            f"{rank}. {markdown(category.title)}: {category.failing:,} of"
            f" {counted(category.inspected, 'inspected place')} failing ({names})"
        )
    yield "\n".join(lines) or "None was found."


def _ids_of(fingerprints: Iterable[str], entries: Sequence[Entry]) -> str:
    """Return the numbers of the findings that cost points, dearest first."""
    ids = {finding.fingerprint: entry.id for entry in entries for finding in entry.cluster.findings}
    named = list(dict.fromkeys(ids[each] for each in fingerprints if each in ids))
    more = f" and {len(named) - MOST_PLACES} more" if len(named) > MOST_PLACES else ""
    return ", ".join(named[:MOST_PLACES]) + more


def _score(report: Report, entries: Sequence[Entry]) -> Iterator[str]:
    yield "## Score"
    card = report.scorecard
    applying = sum(each.weight for each in card.categories if each.score is not None)
    rows = [_score_row(each, applying) for each in card.categories]
    if card.overall is not None:
        rows.append(("**Overall**", "", "100.00 %", f"**{card.overall:.2f}**", f"**{card.grade}**"))
    yield _table(("Category", "Score", "Weight", "Weighted", ""), rows)
    if card.overall is None:
        yield f"The grade is withheld: {markdown(card.withheld)}."
    if any(each.score is None for each in card.categories) and applying:
        yield "A category with nothing to inspect does not apply; the others share its weight."
    losing = [each for each in card.categories if each.lost]
    if losing:
        yield "Where the points went, dearest first:"
        yield "\n".join(
            f"- {markdown(each.title)}: {_ids_of(each.lost, entries)}"
            + (f"; {markdown(each.cap)}" if each.cap else "")
            for each in losing
        )


def _score_row(category: CategoryScore, applying: float) -> tuple[str, ...]:
    title = markdown(category.title)
    if category.score is None:
        return (title, "n/a", "", "", "nothing to inspect")
    return (
        title,
        f"{category.score:.2f}",
        f"{category.weight / applying * 100:.2f} %",
        f"{category.weighted:.2f}",
        "capped" if category.cap else "",
    )


def _recommended(report: Report, recommendations: Sequence[Recommendation]) -> Iterator[str]:
    yield "## Recommendations"
    if not recommendations:
        yield "None."
    for priority in PRIORITIES:
        chosen = [each for each in recommendations if each.priority == priority]
        if chosen:
            yield f"### {priority.id}: {priority.title}"
            yield "\n".join(_recommendation(each) for each in chosen)
    advice = [group for group in by_rule(report.findings) if group.severity == Severity.ADVICE]
    if advice:
        yield "### Advice, outside of the score"
        yield "\n".join(f"- {markdown(group.clusters[0].first.message)}" for group in advice)


def _recommendation(each: Recommendation) -> str:
    ids = [entry.id for entry in each.entries]
    more = f" and {len(ids) - MOST_PLACES} more" if len(ids) > MOST_PLACES else ""
    remedy = " ".join(_remedy(each.rule).split()) or markdown(each.group.clusters[0].first.fix)
    what = counted(len(each.entries), "place")
    return (
        f"- **{each.id}** {markdown_code(each.group.name)}, {each.group.severity}, {what} of"
        f" {each.effort} ({EFFORT_WORDS[each.effort]}): {', '.join(ids[:MOST_PLACES])}{more}."
        + (f" {remedy}" if remedy else "")
    )


def _roadmap(recommendations: Sequence[Recommendation]) -> Iterator[str]:
    if not recommendations:
        return
    yield "## Roadmap"
    rows = []
    for priority in PRIORITIES:
        chosen = [each for each in recommendations if each.priority == priority]
        if chosen:
            ids = ", ".join(each.id for each in chosen)
            rows.append((priority.id, priority.title, ids, _effort_of(chosen)))
    rows.append(("**All**", "", "", f"**{_effort_of(recommendations)}**"))
    yield _table(("Phase", "When", "What", "Effort"), rows)
    sizes = [f"{effort} is {words}" for effort, words in EFFORT_WORDS.items()]
    yield f"Effort is counted by place, callers of one place together: {listed(sizes)}."


def _effort_of(recommendations: Iterable[Recommendation]) -> str:
    """Return the efforts added up, size by size: sizes are ranges, so they have no one sum."""
    counts = dict.fromkeys(reversed(Effort), 0)
    for recommendation in recommendations:
        for entry in recommendation.entries:
            counts[entry.cluster.first.effort] += 1
    return " + ".join(f"{count} {effort}" for effort, count in counts.items() if count)


def _anti_patterns(recommendations: Sequence[Recommendation]) -> Iterator[str]:
    if not recommendations:
        return
    yield "## Anti-patterns"
    rows = [
        (
            f"The {markdown(each.group.name.replace('-', ' '))}",
            markdown(each.rule.summary) if each.rule else "",
            counted(len(each.group.findings), "time"),
            markdown_code(str(each.group.clusters[0].first.location)),
        )
        for each in recommendations
    ]
    yield _table(("Pattern", "What it is", "Seen", "Worst place"), rows)


def _endpoints(report: Report) -> Iterator[str]:
    if not report.endpoints:
        return
    yield "## Appendix: what each endpoint costs"
    ordered = sorted(
        report.endpoints, key=lambda card: (-card.degree, card.path, card.method, card.handler)
    )
    yield _table(
        ("Endpoint", "Handler", "Queries", "HTTP calls", "Blocking", "Cached", "Runs on", "Known"),
        [_endpoint(card) for card in ordered],
    )
    yield "`N(x)` is the number of items of `x`."
    code = locust_file(report.endpoints)
    if code:
        yield "## Appendix: a load test"
        yield "Run it with 10 users for a baseline, then with 100 and 500, and compare."
        yield markdown_block(code, "python")


def _endpoint(card: EndpointCard) -> tuple[str, ...]:
    return (
        markdown_code(f"{card.method} {card.path}"),
        markdown_code(f"{card.location.path}:{card.location.line}"),
        markdown_code(card.queries),
        markdown_code(card.http_calls),
        ", ".join(markdown_code(each) for each in card.blocking) or "-",
        "yes" if card.cached else "no",
        markdown(card.dispatch),
        f"{card.resolved:.0%}",
    )


def _suppressed(report: Report, options: RenderOptions) -> Iterator[str]:
    if not report.suppressed:
        return
    yield "## Appendix: accepted findings"
    yield f"{counted(len(report.suppressed), 'finding')} suppressed in the code, and not scored."
    if options.show_suppressed:
        yield "\n".join(
            f"- {markdown_code(str(finding.location))} {markdown_code(finding.name)}:"
            f" {markdown(finding.suppressed or '') or 'no reason given'}"
            for finding in sorted(report.suppressed, key=Finding.sort_key)
        )


def _problems(report: Report) -> Iterator[str]:
    problems = sorted({*report.problems, *report.coverage.files_skipped})
    if not problems:
        return
    yield "## Appendix: what could not be audited"
    yield "\n".join(
        f"- {markdown_code(f'{problem.path}:{problem.line}' if problem.line else problem.path)}"
        f" {markdown(problem.kind)}: {markdown(problem.message)}"
        for problem in problems
    )


def _conclusion(report: Report, recommendations: Sequence[Recommendation]) -> Iterator[str]:
    yield "## Conclusion"
    first = [each for each in recommendations if each.priority == PRIORITIES[0]]
    if first:
        yield f"To do at once: {listed([f'{each.id} {each.group.name}' for each in first])}."
    elif recommendations:
        start = recommendations[0]
        yield f"Nothing is urgent. Begin with {start.id} {start.group.name}."
    else:
        yield "There is nothing to mend."
    titles = _titles(report)
    lines = []
    for gain in report.scorecard.improvements:
        lines.append(
            f"- Mending {listed([markdown_code(name) for name in gain.rules])}"
            f" ({counted(len(gain.fingerprints), 'finding')}) takes"
            f" {markdown(titles.get(gain.category, gain.category))} from {gain.before:.2f} to"
            f" {gain.after:.2f}, and {_overall(gain)}."
        )
    if report.scorecard.together:
        lines.append(f"- Together they take {_overall(report.scorecard.together)}.")
    if lines:
        yield "\n".join(lines)


def _overall(gain: Improvement) -> str:
    whole = f"the whole from {gain.overall_before:.2f} to {gain.overall_after:.2f}"
    if gain.grade_before == gain.grade_after:
        return f"{whole}; the grade stays {gain.grade_after}"
    return f"{whole}: from {gain.grade_before} to {gain.grade_after}"


def _titles(report: Report) -> dict[str, str]:
    return {category.id: category.title for category in report.scorecard.categories}


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(head), "|" + " --- |" * len(head), *(_row(row) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell(each) for each in cells)} |"
