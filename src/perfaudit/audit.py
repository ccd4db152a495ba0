"""The whole audit: files -> sources -> facts -> program -> findings -> scorecard -> report."""

import gc
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from perfaudit import __version__
from perfaudit.cache import FactCache, Reading
from perfaudit.config import Settings
from perfaudit.core.levels import Role
from perfaudit.core.problem import Problem
from perfaudit.core.report import Coverage, ProjectSummary, Report
from perfaudit.data import rules_root
from perfaudit.executors import executor_at
from perfaudit.extraction import Extracted, damaged, extract, extract_all, raise_recursion_limit
from perfaudit.facts.later import LaterFacts
from perfaudit.libraries import Libraries, load_libraries
from perfaudit.program.cards import endpoint_cards
from perfaudit.program.coverage import coverage_of
from perfaudit.program.inventory import inventory_of
from perfaudit.program.program import Program, link
from perfaudit.program.second_opinion import second_opinions
from perfaudit.rules.engine import judge
from perfaudit.rules.findings import ReadLine
from perfaudit.rules.strengths import strengths_of
from perfaudit.runs import Audited, Run, begun, keep
from perfaudit.scoring import load_weights, scorecard
from perfaudit.sources import (
    Document,
    SourceFile,
    Suppression,
    find_template_suppressions,
    kind_of,
    parse_document,
    read_document,
    role_of,
)
from perfaudit.sources.lines import line_reader, text_of
from perfaudit.sources.roles import UNSEEN_ROLES

_Shown = dict[str, dict[int, str]]
"""The lines of files that a report shows, by path and number."""


@dataclass(frozen=True, slots=True)
class AuditResult(Audited):
    """The report of an audit, the rules that it speaks of, and the program it was made from."""

    program: Program


class _Laps:
    """How long the parts of an audit take. What it says never enters a report."""

    def __init__(self) -> None:
        self._last = time.perf_counter()
        self.phases: list[tuple[str, float]] = []

    def end(self, phase: str) -> None:
        """Note that a phase has ended, and the next one begins."""
        now = time.perf_counter()
        self.phases.append((phase, now - self._last))
        self._last = now


def audit(root: Path, paths: Sequence[Path], settings: Settings) -> AuditResult:
    """Return the audit of the files below ``paths``, with the linked program.

    Raises PerfauditError for a fault in settings or rule files.
    """
    return finished(begun(root, paths, settings))


def finished(run: Run) -> AuditResult:
    """Return what comes of a run, and keep its report for the next one."""
    libraries = load_libraries([rules_root() / "libraries", *_project_libraries(run.settings)])
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        result, readings, shown = _audit(run, libraries)
    finally:
        if was_enabled:
            gc.enable()
    # What failed may not fail again.
    if not any(problem.kind == "internal" for problem in result.report.problems):
        keep(run, result.report, readings, shown)
    return result


def _project_libraries(settings: Settings) -> list[Path]:
    return [
        folder / "libraries" for folder in settings.rules_dirs if (folder / "libraries").is_dir()
    ]


def _audit(run: Run, libraries: Libraries) -> tuple[AuditResult, dict[str, Reading], _Shown]:
    """Return the audit, what is known of its files now, and the lines that its report shows."""
    root, settings, rules, found = run.root, run.settings, run.rules, run.found
    laps = _Laps()
    python = [file for file in found.files if file.kind == "python"]
    with executor_at(settings.executor) as executor:
        results = extract_all(
            root,
            python,
            jobs=settings.jobs,
            executor=executor,
            # Not held any longer than that: it has the encoded facts of all files.
            cache=FactCache(root) if settings.cache else None,
            digests=run.digests,
            read=run.read,
            later=UNSEEN_ROLES,
        )
    documents, document_problems = _documents(
        root, [file for file in found.files if file.kind != "python"]
    )
    problems = [
        *found.problems,
        *document_problems,
        *(item.problem for item in results if item.problem),
    ]

    laps.end("read")
    facts = [item.facts for item in results if item.facts is not None]
    roles = {file.path: file.role for file in python}
    program = link(facts, roles, libraries, documents, dialect=settings.dialect)
    if settings.deep:
        opinions = second_opinions(program, _texts(root, program))
        if opinions:
            program = link(facts, roles, libraries, documents, opinions, dialect=settings.dialect)

    laps.end("link")
    shown: _Shown = {}
    judgement = judge(
        program,
        rules,
        read_line=_noting(line_reader(root), shown),
        suppressions={**_suppressions(python, results), **_in_templates(documents)},
        selected=run.chosen,
        roles=settings.roles,
    )
    laps.end("detect")
    # Decoded where something asked for them.
    problems += [
        damaged(item.path) for item in facts if isinstance(item, LaterFacts) and item.is_damaged
    ]
    covered = coverage_of(program)
    coverage = Coverage(
        calls=covered.calls,
        resolved=covered.resolved,
        files_skipped=tuple(sorted([*problems, *judgement.problems])),
        chains_truncated=covered.truncated,
        unresolved=covered.unresolved,
        kinds=covered.kinds,
        unresolved_names=covered.unresolved_names,
        undescribed=covered.undescribed,
    )
    card = scorecard(
        judgement.findings,
        judgement.opportunities,
        rules,
        load_weights(rules_root() / "scoring.yaml"),
        coverage,
    )
    report = Report(
        version=__version__,
        project=ProjectSummary(
            root=".",
            files=len(python),
            lines=sum(item.lines for item in facts),
            entry_points=sum(
                endpoint.kind in ("route", "websocket", "task", "command", "consumer")
                for endpoint in program.endpoints
            ),
        ),
        coverage=coverage,
        findings=judgement.findings,
        suppressed=judgement.suppressed,
        endpoints=endpoint_cards(program),
        scorecard=card,
        inventory=inventory_of(program),
        problems=coverage.files_skipped,
        strengths=strengths_of(judgement, rules),
    )
    laps.end("report")
    result = AuditResult(report, rules, program, phases=tuple(laps.phases))
    return result, _readings(run, python, results), shown


def _readings(
    run: Run, files: Sequence[SourceFile], results: Sequence[Extracted]
) -> dict[str, Reading]:
    """Return what a report depends on of each file; none without a cache."""
    readings = dict(run.readings)
    for file, result in zip(files, results, strict=True):
        if run.digests is not None and run.digests[file.path]:
            readings[file.path] = result.reading
            if isinstance(result.facts, LaterFacts) and result.facts.is_asked:
                # What it says is not known beforehand: all that it holds may decide.
                readings[file.path] = result.reading.as_a_whole
    return readings


def _noting(read_line: ReadLine, shown: _Shown) -> ReadLine:
    """Return a function that gives the same lines, and notes them."""

    def read(path: str, line: int) -> str:
        text = read_line(path, line)
        shown.setdefault(path, {})[line] = text
        return text

    return read


def _documents(root: Path, files: Sequence[SourceFile]) -> tuple[list[Document], list[Problem]]:
    documents: list[Document] = []
    problems: list[Problem] = []
    for file in files:
        read = read_document(root, file)
        if isinstance(read, Problem):
            problems.append(read)
        else:
            documents.append(read)
    return documents, problems


def _suppressions(
    files: Sequence[SourceFile], results: Sequence[Extracted]
) -> dict[str, tuple[Suppression, ...]]:
    return {
        file.path: result.suppressions
        for file, result in zip(files, results, strict=True)
        if result.suppressions
    }


def _in_templates(documents: Sequence[Document]) -> dict[str, tuple[Suppression, ...]]:
    found = {
        document.path: find_template_suppressions(document.text)
        for document in documents
        if document.kind == "template"
    }
    return {path: those for path, those in found.items() if those}


def _texts(root: Path, program: Program) -> dict[str, str]:
    """Return the texts of the linked files but tests, by path."""
    paths = [file.path for file in program.files if file.role is not Role.TEST]
    found = {path: text_of(root, path) for path in paths}
    return {path: text for path, text in found.items() if text is not None}


@lru_cache(maxsize=1)
def _shipped_libraries() -> Libraries:
    return load_libraries([rules_root() / "libraries"])


def program_of(files: Mapping[str, str]) -> Program:
    """Return the program of files held in memory, by path: how the cases of rules are run."""
    raise_recursion_limit()
    facts = []
    documents = []
    for path, text in sorted(files.items()):
        if path.endswith(".py"):
            result = extract(path, text.encode("utf-8"))
            if result.facts is None:
                raise ValueError(f"{path}: {result.problem}")
            facts.append(result.facts)
        else:
            document = parse_document(path, kind_of(path) or "settings", text)
            if isinstance(document, Problem):
                raise ValueError(f"{path}: {document}")
            documents.append(document)
    roles: dict[str, Role] = {item.path: role_of(item.path) for item in facts}
    return link(facts, roles, _shipped_libraries(), documents)
