"""Run the detectors of the rules, and judge what they find."""

import inspect
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module

from perfaudit.core.errors import PerfauditError
from perfaudit.core.finding import Finding, Match
from perfaudit.core.levels import Role
from perfaudit.core.problem import Problem
from perfaudit.core.report import Opportunity
from perfaudit.core.rule import Rule
from perfaudit.program.program import Program
from perfaudit.rules.findings import EXPOSURES, ReadLine, finding_of, numbered
from perfaudit.rules.silencing import silence, unused_suppressions
from perfaudit.sources.types import Suppression

REPORTED_ROLES = frozenset({Role.PRODUCTION, Role.COMMAND})
UNUSED_SUPPRESSION = "unused-suppression"
"""The rule that no detector finds: only after all others have spoken is it known."""

Detected = Match | Opportunity
Detect = Callable[[Program], Iterable[Detected]]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the rules say of a program: findings worst first, and by rule name what was judged."""

    findings: tuple[Finding, ...]
    suppressed: tuple[Finding, ...]
    opportunities: dict[str, tuple[Opportunity, ...]]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of a detector, for the rules that share it."""

    detector: str
    rules: tuple[Rule, ...]

    def owners(self, found: Detected) -> tuple[Rule, ...]:
        """Return the rules that something found belongs to."""
        if found.rule:
            return tuple(rule for rule in self.rules if rule.name == found.rule)
        if isinstance(found, Match) and len(self.rules) > 1:
            raise ValueError(f"a match must name one of {', '.join(r.name for r in self.rules)}")
        return self.rules


def judge(
    program: Program,
    rules: Mapping[str, Rule],
    *,
    read_line: ReadLine,
    suppressions: Mapping[str, Sequence[Suppression]] | None = None,
    selected: Iterable[str] | None = None,
    roles: frozenset[Role] = REPORTED_ROLES,
    strict: bool = False,
) -> Judgement:
    """Return what the selected rules find in the files of these roles.

    ``rules`` are all known rules by name, ``selected`` the names of those to run, or None for all.
    ``read_line`` gives a line of a file without its end; ``suppressions`` are by path. A detector
    that fails ends no audit: it becomes a problem, unless ``strict`` lets it raise.
    """
    chosen = {name: rules[name] for name in (rules if selected is None else selected)}
    role_of = {file.path: file.role for file in program.files}
    matches: list[tuple[Rule, Match]] = []
    judged: dict[str, list[Opportunity]] = {name: [] for name in sorted(chosen)}
    problems: list[Problem] = []
    failed: set[str] = set()
    for run in _runs(rules, chosen):
        try:
            for rule, found in _detected(program, run):
                path = found.location.path
                if rule.name not in chosen or role_of.get(path, _role(found)) not in roles:
                    continue
                if isinstance(found, Match):
                    matches.append((rule, replace(found, role=role_of.get(path, found.role))))
                else:
                    judged[rule.name].append(found)
        except PerfauditError:
            raise
        except Exception as fault:
            if strict:
                raise
            problems.append(_problem(run, fault))
            failed.update(rule.name for rule in run.rules)

    findings = numbered([finding_of(*each, read_line) for each in _without_repeats(matches)])
    heard, suppressed, used = silence(findings, suppressions or {}, rules)
    if UNUSED_SUPPRESSION in chosen:
        reported = {
            path: those
            for path, those in (suppressions or {}).items()
            if role_of.get(path, Role.PRODUCTION) in roles
        }
        unused, excused = unused_suppressions(
            reported, used, rules, judged_rules=chosen.keys() - failed
        )
        make = partial(finding_of, chosen[UNUSED_SUPPRESSION], read_line=read_line)
        heard += numbered([make(_with_role(match, role_of)) for match in unused])
        suppressed += [
            replace(finding, suppressed=reason)
            for finding, reason in zip(
                numbered([make(_with_role(match, role_of)) for match, _ in excused]),
                [reason for _, reason in excused],
                strict=True,
            )
        ]
    return Judgement(
        tuple(sorted(heard, key=Finding.sort_key)),
        tuple(sorted(suppressed, key=Finding.sort_key)),
        {name: tuple(dict.fromkeys(things)) for name, things in judged.items()},
        tuple(problems),
    )
