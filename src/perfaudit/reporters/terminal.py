"""The report for a developer at a terminal: the grade first, then the worst findings with proof."""

import codecs
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from perfaudit.core.finding import Finding, TraceStep
from perfaudit.core.levels import Severity
from perfaudit.core.report import CategoryScore, Improvement, Report
from perfaudit.core.rule import Rule
from perfaudit.core.visible import visible
from perfaudit.reporters.escaping import one_line, visible_source
from perfaudit.reporters.grouping import (
    EFFORT_WORDS,
    Cluster,
    RuleGroup,
    by_rule,
    counted,
    counts_by_severity,
    listed,
)
from perfaudit.reporters.options import DEFAULTS, RenderOptions

NARROWEST = 48
WIDEST = 110
BAR = 20
MOST_STEPS = 6
MOST_PROBLEMS = 5

STYLES = {
    Severity.CRITICAL: "bold bright_red",
    Severity.HIGH: "bold red",
    Severity.MEDIUM: "bold yellow",
    Severity.LOW: "bold cyan",
    Severity.ADVICE: "bold blue",
}
SIGNS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.ADVICE: "note",
}


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The signs that not every terminal can show."""

    full: str
    empty: str
    rule: str
    gutter: str
    caret: str
    branch: str
    last: str
    trunk: str
    dot: str
    arrow: str
    error: str
    warning: str
    note: str
    good: str
    ellipsis: str


FINE = Glyphs("█", "░", "─", "│", "━", "├─ ", "└─ ", "│  ", "·", "→", "✖", "▲", "●", "✔", "…")
PLAIN = Glyphs("#", ".", "-", "|", "^", "|- ", "`- ", "|  ", "-", "->", "x", "!", "*", "+", "...")


def render(report: Report, rules: Mapping[str, Rule], options: RenderOptions = DEFAULTS) -> str:
    """Return the report as text for a terminal; ``rules`` are keyed by name."""
    page = _Page(options)
    lines = [
        *_card(page, report),
        *_findings(page, report, rules),
        *_suppressed(page, report),
        *_what_if(page, report),
        *_problems(page, report),
        *_hints(page, report),
    ]
    for line in lines:
        page.console.print(line, soft_wrap=True)
    text = "\n".join(line.rstrip() for line in page.written().split("\n"))

    return text.encode(page.encoding, "backslashreplace").decode(page.encoding)


class _Page:
    """Where the lines of one report are drawn, and how wide it is."""

    def __init__(self, options: RenderOptions) -> None:
        self.options = options
        self.width = min(max(options.width, NARROWEST), WIDEST)
        self.encoding = _known(options.encoding)
        self.glyphs = FINE if _can_show(self.encoding) else PLAIN
        self._file = io.StringIO()
        self.console = Console(
            file=self._file,
            width=self.width,
            color_system="standard" if options.color else None,
            force_terminal=options.color,
            no_color=not options.color,
            markup=False,
            highlight=False,
            emoji=False,
            legacy_windows=False,
            _environ={},
        )

    def written(self) -> str:
        """Return what has been drawn so far."""
        return self._file.getvalue()

    def heading(self, title: str, note: str = "", style: str = "bold") -> Text:
        """Return a line that starts a section, drawn across the page."""
        glyph = self.glyphs.rule
        text = Text.assemble((f"{glyph}{glyph} ", "dim"), (title, style))
        if note and text.cell_len + len(note) + 2 <= self.width:
            text.append(f"  {note}", "dim")
        room = self.width - text.cell_len - 1
        return text.append(f" {glyph * room}" if room > 2 else "", "dim")

    def wrapped(self, text: Text, *, first: str = "", rest: str = "") -> Iterator[Text]:
        """Yield the text folded to the page, with what stands before its lines."""
        room = max(self.width - max(cell_len(first), cell_len(rest)), 20)
        for number, line in enumerate(text.wrap(self.console, room)):
            line.rstrip()
            yield Text(rest if number else first).append_text(line)


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        return "ascii"


def _can_show(encoding: str) -> bool:
    try:
        "".join(getattr(FINE, name) for name in Glyphs.__slots__).encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _card(page: _Page, report: Report) -> Iterator[Text]:
    card, project = report.scorecard, report.project
    name = one_line(project.root)
    yield page.heading(
        "perfaudit", f"{report.version}" + (f" {page.glyphs.dot} {name}" if name != "." else "")
    )
    yield Text()
    verdict = Text("  ")
    if card.overall is None:
        verdict.append("No grade", "bold yellow").append(f": {card.withheld}.")
    else:
        style = _score_style(card.overall)
        verdict.append(f" {card.grade} ", f"{style} reverse")
        verdict.append(f"  {card.overall:.1f}", style).append(" of 100")
    counts = _severity_counts(page, report)
    if verdict.cell_len + counts.cell_len + 3 <= page.width:
        yield verdict.append("   ").append_text(counts)
    else:
        yield from page.wrapped(verdict, rest="  ")
        yield from page.wrapped(counts, first="  ", rest="  ")
    yield Text()
    titles = max((len(each.title) for each in card.categories), default=0)
    for category in card.categories:
        yield _category(page, category, titles)
    yield Text()
    yield from page.wrapped(_what_was_read(page, report), first="  ", rest="  ")
    yield Text()


def _severity_counts(page: _Page, report: Report) -> Text:
    counts = counts_by_severity(report.findings)
    if not counts:
        return Text("no findings", "bold green")
    parts = [Text(f"{count} {severity}", STYLES[severity]) for severity, count in counts.items()]
    separator = Text(f" {page.glyphs.dot} ", "dim")
    return Text().join(
        piece
        for part in parts
        for piece in ((separator, part) if part is not parts[0] else (part,))
    )


def _category(page: _Page, category: CategoryScore, titles: int) -> Text:
    line = Text("  ").append(category.title.ljust(titles)).append("  ")
    length = BAR if page.width >= 80 else BAR // 2
    if category.score is None:
        line.append(page.glyphs.empty * length, "dim").append("    -", "dim")
        note = "   nothing to inspect"
        return line.append(note if line.cell_len + len(note) <= page.width else "", "dim")
    style = _score_style(category.score)
    full = int(category.score / 100 * length)
    line.append(page.glyphs.full * full, style)
    line.append(page.glyphs.empty * (length - full), "dim")
    line.append(f"  {category.score:5.1f}", style)
    failing = f"{category.failing:,} of {category.inspected:,} failing" if category.failing else ""
    cap = category.cap.split(":")[0]
    room = page.width - line.cell_len - 3
    notes = (", ".join(filter(None, (failing, cap))), failing)
    note = next((note for note in notes if len(note) <= room), "")
    return line.append(f"   {note}", "dim") if note else line


def _what_was_read(page: _Page, report: Report) -> Text:
    project, coverage = report.project, report.coverage
    text = Text(
        f"Read {counted(project.files, 'file')}, {counted(project.lines, 'line')},"
        f" {counted(project.entry_points, 'entry point')}.",
        "dim",
    )
    if coverage.share is not None:
        text.append(f" {coverage.share:.0%} of {coverage.calls:,} calls resolved.", "dim")
    skipped = len(coverage.files_skipped)
    if skipped:
        text.append(f" {counted(skipped, 'file')} could not be read.", "yellow")
    if coverage.chains_truncated:
        chains = counted(coverage.chains_truncated, "call chain")
        text.append(f" {chains} cut short.", "yellow")
    return text


def _findings(page: _Page, report: Report, rules: Mapping[str, Rule]) -> Iterator[Text]:
    groups = by_rule(report.findings)
    every = sum(len(group.clusters) for group in groups)
    limit = every if page.options.verbose else page.options.limit
    # Every rule shows its worst place before any rule shows its second.
    turns = sorted(
        (turn, number) for number, group in enumerate(groups) for turn in range(len(group.clusters))
    )
    shown = set(turns[:limit])
    titles = {category.id: category.title for category in report.scorecard.categories}
    left_out: list[RuleGroup] = []
    for number, group in enumerate(groups):
        clusters = [
            cluster for turn, cluster in enumerate(group.clusters) if (turn, number) in shown
        ]
        if not clusters:
            left_out.append(group)
            continue
        yield from _group(page, group, clusters, rules.get(group.name), titles)
    if left_out:
        hidden = sum(len(group.findings) for group in left_out)
        names = listed([f"{group.name} ({len(group.findings)})" for group in left_out])
        yield from page.wrapped(Text(f"And {counted(hidden, 'finding')} of: {names}.", "dim"))
        yield Text()


def _group(
    page: _Page,
    group: RuleGroup,
    clusters: Sequence[Cluster],
    rule: Rule | None,
    titles: Mapping[str, str],
) -> Iterator[Text]:
    severity, first = group.severity, group.clusters[0].first
    sign = getattr(page.glyphs, SIGNS[severity])
    note = f"{group.rule} {page.glyphs.dot} {titles.get(first.category, first.category)}"
    yield page.heading(f"{sign} {severity} {group.name}", note, STYLES[severity])
    if rule and rule.summary:
        yield from page.wrapped(Text(one_line(rule.summary)), first="   ", rest="   ")
    yield Text()
    for cluster in clusters:
        yield from _cluster(page, cluster)
    remedies = {cluster.first.fix for cluster in clusters}
    if rule and "" in remedies:
        remedy = Text.assemble(("fix", "bold green"), "  ", one_line(rule.fix))
        yield from page.wrapped(remedy, first="   ", rest="        ")
        yield Text()
    hidden = len(group.findings) - sum(len(cluster.findings) for cluster in clusters)
    if hidden:
        yield Text(f"   and {counted(hidden, 'more place')} of {group.name}", "dim")
        yield Text()


def _cluster(page: _Page, cluster: Cluster) -> Iterator[Text]:
    finding = cluster.first
    place = Text("   ").append(visible(str(finding.location)), "bold cyan")
    if finding.confidence != "high":
        place.append(f"  {finding.confidence} confidence", "yellow")
    yield from _with_where(page, place, finding)
    yield from page.wrapped(Text(one_line(finding.message)), first="   ", rest="   ")
    yield from _snippet(page, finding)
    yield from _trace(page, finding.trace)
    if finding.cost:
        yield _labelled(page, "cost", one_line(finding.cost), "bold magenta")
    if finding.fix:
        remedy = Text.assemble(("fix", "bold green"), "  ", one_line(finding.fix))
        remedy.append(f"  ({finding.effort}: {EFFORT_WORDS[finding.effort]})", "dim")
        yield from page.wrapped(remedy, first="   ", rest="        ")
    yield from _others(page, cluster)
    yield Text()


def _snippet(page: _Page, finding: Finding) -> Iterator[Text]:
    """Yield the source line with its region underlined, cut to the page around the region."""
    line = finding.snippet.split("\n")[0].rstrip()
    if not line.strip():
        return
    location = finding.location
    start = min(location.column - 1, len(line))
    ends_here = location.end_line == location.line and "\n" not in finding.snippet.strip("\n")
    end = min(location.end_column - 1, len(line)) if ends_here else len(line)
    indent = min(len(line) - len(line.lstrip()), start)
    before, region, after = (
        visible_source(part) for part in (line[indent:start], line[start:end], line[end:])
    )
    gutter = f"   {location.line:>5} {page.glyphs.gutter} "
    room = page.width - len(gutter)
    if cell_len(before) > room // 2:
        kept = _tail(before, room // 3)
        before = page.glyphs.ellipsis + kept
    yield Text.assemble(
        (gutter, "dim"),
        *((part, style) for part, style in _cut(page, before, region, after, room) if part),
    )
    width = min(cell_len(region), room - cell_len(before))
    if width > 0:
        yield Text.assemble(
            (" " * (len(gutter) - 2) + f"{page.glyphs.gutter} ", "dim"),
            " " * cell_len(before),
            (page.glyphs.caret * width, STYLES[finding.severity]),
        )


def _cut(page: _Page, before: str, region: str, after: str, room: int) -> Iterator[tuple[str, str]]:
    """Yield the parts of a source line with their styles, at most as wide as the room."""
    for part, style in ((before, ""), (region, "bold"), (after, "")):
        width = cell_len(part)
        if width <= room:
            yield part, style
            room -= width
            continue
        mark = page.glyphs.ellipsis
        if room > len(mark):
            yield set_cell_size(part, room - len(mark)) + mark, style
        return


def _tail(text: str, width: int) -> str:
    while cell_len(text) > width:
        text = text[1:]
    return text


def _trace(page: _Page, trace: Sequence[TraceStep]) -> Iterator[Text]:
    steps: list[TraceStep | None] = list(trace)
    if len(steps) > MOST_STEPS and not page.options.verbose:
        steps = [*steps[: MOST_STEPS // 2], None, *steps[-MOST_STEPS // 2 + 1 :]]
    glyphs = page.glyphs
    for number, step in enumerate(steps):
        branch = glyphs.last if number == len(steps) - 1 else glyphs.branch
        trunk = "   " if number == len(steps) - 1 else glyphs.trunk
        if step is None:
            hidden = counted(len(trace) - len(steps) + 1, "more step")
            yield Text(f"   {glyphs.branch}{glyphs.ellipsis} {hidden}", "dim")
            continue
        line = Text(one_line(step.message))
        line.append(f"  {visible(str(step.location))}", "dim cyan")
        yield from page.wrapped(line, first=f"   {branch}", rest=f"   {trunk}")


def _labelled(page: _Page, label: str, text: str, style: str) -> Text:
    return Text.assemble("   ", (label, style), " ", text)


def _others(page: _Page, cluster: Cluster) -> Iterator[Text]:
    """Yield the other findings that end in the same place."""
    if not cluster.others:
        return
    if not page.options.verbose:
        yield Text(f"   and {counted(len(cluster.others), 'more caller')} of the same place", "dim")
        return
    for other in cluster.others:
        place = Text.assemble("   also ", (visible(str(other.location)), "cyan"))
        yield from _with_where(page, place, other)


def _with_where(page: _Page, place: Text, finding: Finding) -> Iterator[Text]:
    """Yield a place and the endpoint or function it is in, on one line if there is room."""
    where = one_line(finding.endpoint or finding.function)
    if place.cell_len + 2 + cell_len(where) <= page.width:
        yield place.append(f"  {where}" if where else "", "dim")
    else:
        yield place
        yield from page.wrapped(Text(where, "dim"), first="   ", rest="   ")


def _suppressed(page: _Page, report: Report) -> Iterator[Text]:
    if not page.options.show_suppressed or not report.suppressed:
        return
    yield page.heading(f"Suppressed: {counted(len(report.suppressed), 'finding')}")
    for finding in sorted(report.suppressed, key=Finding.sort_key):
        reason = one_line(finding.suppressed or "") or "no reason given"
        line = Text.assemble(
            (visible(str(finding.location)), "cyan"), f"  {finding.name}: {reason}"
        )
        yield from page.wrapped(line, first="   ", rest="     ")
    yield Text()


def _what_if(page: _Page, report: Report) -> Iterator[Text]:
    improvements = report.scorecard.improvements
    if not improvements:
        return
    titles = {category.id: category.title for category in report.scorecard.categories}
    yield page.heading("What would help most")
    for improvement in improvements:
        yield from page.wrapped(_improvement(page, improvement, titles), first="   ", rest="     ")
    together = report.scorecard.together
    if together:
        yield from page.wrapped(_overall(page, together, "all of it"), first="   ", rest="     ")
    yield Text()


def _improvement(page: _Page, gain: Improvement, titles: Mapping[str, str]) -> Text:
    arrow = page.glyphs.arrow
    category = Text.assemble(
        f"{titles.get(gain.category, gain.category)} {gain.before:.1f} {arrow} ",
        (f"{gain.after:.1f}", _score_style(gain.after)),
    )
    what = Text.assemble(
        "mend ",
        (listed(gain.rules), "bold"),
        (f" ({counted(len(gain.fingerprints), 'finding')})", "dim"),
        ": ",
        category,
    )
    return what.append(", ").append_text(_overall(page, gain, "overall"))


def _overall(page: _Page, gain: Improvement, label: str) -> Text:
    arrow = page.glyphs.arrow
    style = _score_style(gain.overall_after)
    text = Text.assemble(
        f"{label} {gain.overall_before:.1f} {arrow} ", (f"{gain.overall_after:.1f}", style)
    )
    if gain.grade_before != gain.grade_after:
        text.append(f", grade {gain.grade_before} {arrow} ").append(
            gain.grade_after, f"bold {style}"
        )
    return text


def _problems(page: _Page, report: Report) -> Iterator[Text]:
    problems = sorted({*report.problems, *report.coverage.files_skipped})
    if not problems:
        return
    yield page.heading(f"Not audited: {counted(len(problems), 'problem')}", style="bold yellow")
    shown = problems if page.options.verbose else problems[:MOST_PROBLEMS]
    for problem in shown:
        place = f"{problem.path}:{problem.line}" if problem.line else problem.path
        line = Text.assemble((visible(place), "cyan"), f"  {one_line(problem.message)}")
        yield from page.wrapped(line, first="   ", rest="     ")
    if len(shown) < len(problems):
        yield Text(f"   and {len(problems) - len(shown)} more", "dim")
    yield Text()


def _hints(page: _Page, report: Report) -> Iterator[Text]:
    groups = by_rule(report.findings)
    clusters = sum(len(group.clusters) for group in groups)
    if not groups:
        return
    hints = [(f"perfaudit explain {groups[0].rule}", "why it is slow, and how to mend it")]
    if clusters > page.options.limit and not page.options.verbose:
        hints.append(("perfaudit scan --verbose", "every finding, every step"))
    hints.append(("perfaudit scan -o report.md", "the whole report, to read or share"))
    column = max(len(command) for command, _ in hints)
    for command, use in hints:
        line = Text(command.ljust(column), "bold")
        fits = column + 3 + len(use) <= page.width
        yield Text().append_text(line).append(f"   {use}" if fits else "", "dim")


def _score_style(score: float) -> str:
    if score >= 90:
        return "bright_green"
    if score >= 80:
        return "green"
    return "yellow" if score >= 60 else "red"
