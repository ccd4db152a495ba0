"""Run the detectors of the rules, and judge what they find."""

import inspect
import traceback
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

from perfaudit.core.errors import PerfauditError
from perfaudit.core.finding import Finding, Match
from perfaudit.core.levels import Role
from perfaudit.core.problem import Problem
from perfaudit.core.report import Opportunity
from perfaudit.core.rule import Rule
from perfaudit.rules.findings import ReadLine, findings_of
from perfaudit.rules.folding import folded
from perfaudit.rules.silencing import Use, only_about, silence, unused_suppressions
from perfaudit.sources.types import Suppression

if TYPE_CHECKING:
    from perfaudit.program.program import Program

REPORTED_ROLES = frozenset({Role.PRODUCTION, Role.COMMAND})
UNUSED_SUPPRESSION = "unused-suppression"
"""The rule that no detector finds: it is known only when all others have spoken."""

Detected = Match | Opportunity


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules say of a program: findings worst first, and by rule name what was judged.

    ``unfinished`` names the rules whose detector failed.
    """

    findings: tuple[Finding, ...]
    suppressed: tuple[Finding, ...]
    opportunities: dict[str, tuple[Opportunity, ...]]
    problems: tuple[Problem, ...] = ()
    unfinished: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a detector, for the rules that share it."""

    detector: str
    detect: Any
    rules: tuple[Rule, ...]
    arguments: tuple[object, ...] = ()

    def owners(self, found: Detected) -> tuple[Rule, ...]:
        """Return the rules that something found belongs to."""
        if found.rule:
            return tuple(rule for rule in self.rules if rule.name == found.rule)
        if isinstance(found, Match) and len(self.rules) > 1:
            names = ", ".join(rule.name for rule in self.rules)
            raise ValueError(f"a match must say to which rule it belongs: {names}")
        return self.rules


@dataclass(slots=True)
class _Detections:
    """What the detectors have found so far, and which rules could not be judged in full."""

    matches: list[tuple[Rule, Match]] = field(default_factory=list)
    opportunities: dict[str, list[Opportunity]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    unfinished: set[str] = field(default_factory=set)


def judge(
    program: "Program",
    rules: Mapping[str, Rule],
    *,
    read_line: ReadLine,
    suppressions: Mapping[str, Sequence[Suppression]],
    selected: Collection[str] | None = None,
    roles: frozenset[Role] = REPORTED_ROLES,
    strict: bool = False,
) -> Judgement:
    """Return what the selected rules find in the files of these roles.

    ``rules`` are all known rules by name, ``selected`` the names of those to run, or None for all.
    ``read_line`` gives a line of a file without its end; ``suppressions`` are by path. A detector
    that fails ends no audit: it becomes a problem, unless ``strict`` lets it raise.
    """
    chosen = {name: rule for name, rule in rules.items() if selected is None or name in selected}
    detections = _detections(program, rules, chosen, roles, strict=strict)
    findings = findings_of(detections.matches, read_line)
    heard, silent, used = silence(findings, suppressions, rules)
    if UNUSED_SUPPRESSION in chosen:
        reported = {
            path: those for path, those in suppressions.items() if program.roles.get(path) in roles
        }
        more = _unused(reported, used, rules, chosen.keys() - detections.unfinished, read_line)
        heard, silent = heard + more[0], silent + more[1]

    return Judgement(
        tuple(sorted(folded(heard, rules), key=Finding.sort_key)),
        tuple(sorted(silent, key=Finding.sort_key)),
        {name: tuple(dict.fromkeys(those)) for name, those in detections.opportunities.items()},
        tuple(detections.problems),
        frozenset(detections.unfinished),
    )


def _detections(
    program: "Program",
    rules: Mapping[str, Rule],
    chosen: Mapping[str, Rule],
    roles: frozenset[Role],
    *,
    strict: bool,
) -> _Detections:
    detections = _Detections(opportunities={name: [] for name in sorted(chosen)})
    for run in _runs(rules, chosen):
        try:
            for found in run.detect(program, *run.arguments):
                # The file knows its role better than the detector; only documents have no file.
                role = program.roles.get(
                    found.location.path, getattr(found, "role", Role.PRODUCTION)
                )
                if role in roles:
                    _keep(detections, run, chosen, found, role)
        except PerfauditError:
            raise
        except Exception as fault:
            if strict:
                raise
            detections.problems.append(_problem(run, fault))
            detections.unfinished.update(rule.name for rule in run.rules)
    return detections


def _keep(
    detections: _Detections, run: _Run, chosen: Mapping[str, Rule], found: Detected, role: Role
) -> None:
    for rule in run.owners(found):
        if rule.name not in chosen:
            continue
        if isinstance(found, Match):
            # The user's settings may have changed the rule.
            detections.matches.append((chosen[rule.name], replace(found, role=role)))
        else:
            detections.opportunities[rule.name].append(replace(found, rule=""))


def _runs(rules: Mapping[str, Rule], chosen: Mapping[str, Rule]) -> Iterator[_Run]:
    """Yield what must run: each detector once, or once for each rule where it takes options."""
    for detector in sorted({rule.detector for rule in chosen.values() if rule.detector}):
        detect = import_module(f"perfaudit.detectors.{detector}").detect
        sharing = sorted(
            (rule for rule in rules.values() if rule.detector == detector), key=lambda r: r.name
        )
        if len(inspect.signature(detect).parameters) == 1:
            yield _Run(detector, detect, tuple(sharing))
            continue
        for rule in sharing:
            if rule.name in chosen:
                yield _Run(detector, detect, (rule,), (rule.options,))


def _problem(run: _Run, fault: Exception) -> Problem:
    path = f"perfaudit/detectors/{run.detector}.py"
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(fault.__traceback__)
        if frame.lineno and frame.filename.replace("\\", "/").endswith(path)
    ]
    names = ", ".join(rule.name for rule in run.rules)
    reason = " ".join(str(fault).split()) or "no message"
    message = (
        f"The detector {run.detector} failed ({type(fault).__name__}: {reason}),"
        f" so not all was judged by {names}."
    )
    return Problem(path, lines[-1] if lines else 0, "internal", message)


def _unused(
    suppressions: Mapping[str, Sequence[Suppression]],
    used: Collection[Use],
    rules: Mapping[str, Rule],
    judged: Collection[str],
    read_line: ReadLine,
) -> tuple[list[Finding], list[Finding]]:
    """Return the findings about suppressions that silence nothing, and those that are excused."""
    rule = rules[UNUSED_SUPPRESSION]
    matches = unused_suppressions(suppressions, used, rules, judged, but=rule)
    findings = findings_of([(rule, match) for match in matches], read_line)
    heard, excused, _ = silence(findings, only_about(rule, suppressions, rules), rules)
    return heard, excused
