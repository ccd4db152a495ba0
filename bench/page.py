"""The page of the benchmark: what was measured, as Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from measuring import Run


@dataclass(frozen=True, slots=True)
class Tree:
    """The runs over one tree; the first is that of parsing alone."""

    packages: tuple[str, ...]
    lines: int
    files: int
    runs: tuple[Run, ...]
    edits: tuple[tuple[str, str], ...]
    """What was done to which file, before the runs over one changed file."""


@dataclass(frozen=True, slots=True)
class Growth:
    """A cold run over some copies of one package."""

    times: int
    lines: int
    run: Run


@dataclass(frozen=True, slots=True)
class Measured:
    """All that one run of the benchmark found out."""

    machine: str
    trees: tuple[Tree, ...]
    growth: tuple[Growth, ...]
    nothing: float
    version: float
    counted: tuple[str, int, int] | None


def page(measured: Measured) -> str:
    """Return the page."""
    return "\n".join(_lines(measured)) + "\n"


def _lines(measured: Measured) -> Iterator[str]:
    yield "# Performance"
    yield ""
    yield "Written by `make bench ARGS='--output docs/performance.md'`, from one run: what counts"
    yield "are the ratios, since machines differ. *seconds* are those of the clock, *processor*"
    yield "those of all processes together, memory that of all of them, shared pages counted once."
    yield ""
    yield f"{measured.machine}."
    for tree in measured.trees:
        yield from _tree(tree)
    if measured.growth:
        yield from _growth(measured.growth)
    yield ""
    yield "## Start-up"
    yield ""
    ratio = measured.version / measured.nothing
    yield (
        f"`perfaudit --version` {measured.version * 1000:.0f} ms, `python -c pass` "
        f"{measured.nothing * 1000:.0f} ms: {ratio:.1f} times."
    )
    if measured.counted is not None:
        file, lines, count = measured.counted
        yield ""
        yield "## Instructions"
        yield ""
        yield f"The facts of `{file}` ({lines:,} lines), parsing included: {count / 1e6:,.0f}"
        yield f"million instructions, {count / lines:,.0f} for a line (callgrind)."


def _tree(tree: Tree) -> Iterator[str]:
    yield ""
    yield f"## {tree.lines:,} lines"
    yield ""
    yield f"{', '.join(tree.packages)}: {tree.files:,} files of Python."
    yield ""
    yield (
        "| program | seconds | processor | lines/s | peak MB | x ast.parse | of bandit "
        "| of bandit's processor |"
    )
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    parse = tree.runs[0]
    bandit = next(run for run in tree.runs if run.name.startswith("bandit"))
    for run in tree.runs:
        yield (
            f"| {run.name} | {run.seconds:.2f} | {run.processor:.2f} "
            f"| {tree.lines / run.seconds:,.0f} | {run.megabytes:.0f} "
            f"| {run.seconds / parse.seconds:.2f} | 1/{bandit.seconds / run.seconds:.1f} "
            f"| 1/{bandit.processor / run.processor:.1f} |"
        )
    if tree.edits:
        yield ""
        yield "One file changed, each edit for itself, the last one is what counts:"
        yield ""
        yield from (f"- {name}: `{place}`" for name, place in tree.edits)
    with_phases = [run for run in tree.runs if run.phases]
    if with_phases:
        yield from _phases(with_phases)


def _phases(runs: Sequence[Run]) -> Iterator[str]:
    names = [phase for phase, _ in runs[0].phases]
    yield ""
    yield f"| seconds of | {' | '.join(names)} |"
    yield f"|---|{'---:|' * len(names)}"
    for run in runs:
        yield f"| {run.name} | {' | '.join(f'{taken:.2f}' for _, taken in run.phases)} |"


def _growth(growth: Sequence[Growth]) -> Iterator[str]:
    yield ""
    yield "## Growth"
    yield ""
    yield "Copies of one package, each under a name of its own; cold, one worker."
    yield ""
    yield "| copies | lines | processor | of the line before | peak MB |"
    yield "|---:|---:|---:|---:|---:|"
    before: Growth | None = None
    for step in growth:
        ratio = f"{step.run.processor / before.run.processor:.2f}" if before else ""
        yield (
            f"| {step.times} | {step.lines:,} | {step.run.processor:.2f} | {ratio} "
            f"| {step.run.megabytes:.0f} |"
        )
        before = step
