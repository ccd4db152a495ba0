"""Run what rule and library files claim: the cases of rules, and the examples of libraries."""

import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from perfaudit.audit import program_of
from perfaudit.core.errors import DataError
from perfaudit.core.finding import Finding
from perfaudit.core.rule import Case, Rule
from perfaudit.data import rules_root
from perfaudit.libraries.types import Library
from perfaudit.program.program import Program
from perfaudit.rules.engine import judge
from perfaudit.rules.loader import DEFAULT_FILE, load_rules
from perfaudit.rules.markers import marked_confidences, marked_effects, marked_lines
from perfaudit.sources import (
    Suppression,
    find_template_suppressions,
    kind_of,
    parse_python,
)
from perfaudit.sources.types import PythonSource

FALSE, MISSED = "FALSE", "MISSED"
OTHERWISE = "UNSURE"
"""The label of a line that is reported with another confidence than its mark asks for."""
BLOCKING = "blocking"
FRAMES_SHOWN = 3

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """How one case went; ``failure`` is empty where it holds, else what to show."""

    name: str
    failure: str


def run_cases(rule: Rule) -> list[CaseResult]:
    """Return how each case of a rule goes, in the order of its file."""
    return [run_case(rule, case) for case in rule.cases]


def check(rule: Rule) -> list[str]:
    """Return the failures of a rule's cases; none where all hold."""
    return [result.failure for result in run_cases(rule) if result.failure]


def run_case(rule: Rule, case: Case) -> CaseResult:
    """Return how one case of a rule goes: each marked line must be reported, and no other.

    Where the mark names a confidence, with that one.
    """
    title = f"{Path(rule.path).name}: {case.name}"
    try:
        findings = _findings(rule, case.files)
    except Exception as fault:
        return CaseResult(case.name, f"{title}\n{_fault_text(fault)}")
    expected = marked_lines(case.files)
    reported = {(finding.location.path, finding.location.line): finding for finding in findings}
    labels = dict.fromkeys(reported.keys() - expected, FALSE)
    labels |= dict.fromkeys(expected - reported.keys(), MISSED)
    for place, confidence in marked_confidences(case.files).items():
        if place in reported and reported[place].confidence != confidence:
            labels[place] = OTHERWISE
    if not labels:
        return CaseResult(case.name, "")
    said = [
        f"  {finding.location}: {finding.message}{_said_of(labels[place], finding)}"
        for place, finding in sorted(reported.items())
        if place in labels
    ]
    return CaseResult(case.name, "\n".join([title, *_listing(case.files, labels), *said]))


def _said_of(label: str, finding: Finding) -> str:
    return f" ({finding.confidence} confidence)" if label == OTHERWISE else ""


def run_examples(library: Library) -> list[CaseResult]:
    """Return how each example of a library goes, in the order of its file."""
    return [
        run_example(library, example, number)
        for number, example in enumerate(library.examples, start=1)
    ]


def run_example(library: Library, example: Mapping[str, str], number: int) -> CaseResult:
    """Return how one example goes: each line must have the effects it is marked with, or none.

    ``number`` names an example that has no name.
    """
    name, code = example["name"] or f"example {number}", example["code"]
    title = f"{library.file}: {name}"
    try:
        actual = _effects_by_line(program_of({DEFAULT_FILE: code}))
    except Exception as fault:
        return CaseResult(name, f"{title}\n{_fault_text(fault)}")
    expected = marked_effects(code)
    lines = code.split("\n")
    wrong = [
        f"  line {line:<4}{lines[line - 1].strip()}\n           has {_listed(actual.get(line))}"
        for line in sorted(actual.keys() | expected.keys())
        if actual.get(line) != expected.get(line)
    ]
    return CaseResult(name, "\n".join([title, *wrong]) if wrong else "")


def _findings(rule: Rule, files: Mapping[str, str]) -> list[Finding]:
    lines = {path: text.split("\n") for path, text in files.items()}

    def read_line(path: str, number: int) -> str:
        found = lines.get(path, [])
        return found[number - 1] if 0 < number <= len(found) else ""

    rules = {rule.name: rule} if rule.detector else {**_silent_rules(), rule.name: rule}
    judgement = judge(
        program_of(files),
        rules,
        read_line=read_line,
        suppressions=_suppressions(files),
        strict=True,
    )
    return [finding for finding in judgement.findings if finding.name == rule.name]


@cache
def _silent_rules() -> dict[str, Rule]:
    """Return the rules that ship, without their detectors: suppressions may name them."""
    rules = load_rules([rules_root()])
    return {name: replace(rule, detector="") for name, rule in rules.items()}


def _suppressions(files: Mapping[str, str]) -> dict[str, tuple[Suppression, ...]]:
    found = {}
    for path, text in files.items():
        source = parse_python(path, text.encode()) if path.endswith(".py") else None
        if isinstance(source, PythonSource) and source.suppressions:
            found[path] = source.suppressions
        elif kind_of(path) == "template":
            found[path] = find_template_suppressions(text)
    return found


def _fault_text(fault: Exception) -> str:
    if isinstance(fault, DataError):
        return f"  {fault}"
    frames = traceback.extract_tb(fault.__traceback__)[-FRAMES_SHOWN:]
    lines = [f"  {Path(frame.filename).name}:{frame.lineno} in {frame.name}" for frame in frames]
    return "\n".join([*lines, f"  {type(fault).__name__}: {fault}"])


def _listing(files: Mapping[str, str], labels: Mapping[Place, str]) -> Iterator[str]:
    """Yield the wrong lines, each after the one before it; the file's name where there are more."""
    for path in sorted({path for path, _ in labels}):
        if len(files) > 1:
            yield f"  {path}"
        lines = files.get(path, "").split("\n")
        wrong = {line for there, line in labels if there == path}
        for number in sorted(wrong | {line - 1 for line in wrong if line > 1}):
            code = lines[number - 1] if number <= len(lines) else ""
            yield f"  {labels.get((path, number), ''):<6}{number:>4}  {code}".rstrip()


def _effects_by_line(program: Program) -> dict[int, frozenset[str]]:
    found: dict[int, frozenset[str]] = {}
    for function in program.functions:
        for site in program.sites_of(function):
            words = {*site.effects, BLOCKING} if site.blocking else {*site.effects}
            line = site.location.line
            found[line] = found.get(line, frozenset()) | words
    return found


def _listed(words: frozenset[str] | None) -> str:
    """Return effects as a file would mark them."""
    if not words:
        return "no effects"
    blocking = [BLOCKING] if BLOCKING in words else []
    return f"# effects: {', '.join([*sorted(words - {BLOCKING}), *blocking])}"
