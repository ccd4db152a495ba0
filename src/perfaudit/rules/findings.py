"""Turn what detectors match into findings."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import sha256
from typing import Any

from perfaudit.core.errors import DataError
from perfaudit.core.finding import Finding, Match, TraceStep
from perfaudit.core.levels import Confidence, Severity, weakest
from perfaudit.core.location import Location
from perfaudit.core.rule import Rule
from perfaudit.program.exposure import BY_HAND
from perfaudit.sources.masking import mask_secrets

EXPOSURES = ("endpoint", "task", "startup", "command", "script", "unknown", "unreached")
LONGEST_WORD = 200
LONGEST_SNIPPET = 20
FINGERPRINT_DIGITS = 32

ReadLine = Callable[[str, int], str]
"""The line of a file by path and number, without its end; empty where there is none."""

_SPACES = re.compile(r"\s+")
_WORD_IN_BRACES = re.compile(r"\{([a-z_]+)\}")


def findings_of(matches: Iterable[tuple[Rule, Match]], read_line: ReadLine) -> list[Finding]:
    """Return the findings of the matches, by place: one for each rule and place.

    Raises DataError where a message asks for a word that its detector does not give.
    """
    findings = []
    equals: Counter[tuple[str, ...]] = Counter()
    for rule, match in _without_repeats(matches):
        location = match.location
        text = " ".join(_site_text(location, read_line).split())
        key = (rule.id, location.path, match.function, text)
        findings.append(_finding(rule, match, _fingerprint(key, equals[key]), read_line))
        equals[key] += 1
    return findings


def _without_repeats(matches: Iterable[tuple[Rule, Match]]) -> list[tuple[Rule, Match]]:
    """Return the matches in the order of their places, and of each rule and place the gravest."""
    gravest: dict[tuple[Location, str], tuple[Rule, Match]] = {}
    for rule, match in sorted(matches, key=_gravity):
        gravest.setdefault((match.location, rule.id), (rule, match))
    return [gravest[key] for key in sorted(gravest)]


def _gravity(judged: tuple[Rule, Match]) -> tuple[Any, ...]:
    rule, match = judged
    exposure = EXPOSURES.index(match.exposure) if match.exposure in EXPOSURES else len(EXPOSURES)
    return (
        _severity(rule, match).rank,
        match.confidence.rank,
        exposure,
        len(match.trace),
        match.endpoint,
        [(step.location, step.message) for step in match.trace],
        sorted(match.words.items()),
    )


def _severity(rule: Rule, match: Match) -> Severity:
    if match.severity is None or match.severity.at_least(rule.severity):
        return rule.severity
    return match.severity


def _finding(rule: Rule, match: Match, fingerprint: str, read_line: ReadLine) -> Finding:
    words = {name: _shown(word) for name, word in match.words.items()}
    return Finding(
        rule=rule.id,
        name=rule.name,
        category=rule.category,
        severity=_severity(rule, match),
        confidence=_confidence(rule, match),
        location=match.location,
        message=_message(rule, words),
        function=match.function,
        endpoint=match.endpoint,
        trace=tuple(_masked(step) for step in match.trace),
        cost=match.cost,
        effort=rule.effort,
        fix=mask_secrets(match.fix),
        fingerprint=fingerprint,
        role=match.role,
        exposure=match.exposure,
        words=words,
        snippet=_snippet(match.location, read_line),
    )


def _confidence(rule: Rule, match: Match) -> Confidence:
    """Return how sure a finding is; less than high where nothing is seen to lead to its place.

    As sure as its rule says where no request or task surely does.
    """
    seen = Confidence.MEDIUM if match.exposure == "unreached" else Confidence.HIGH
    offline = rule.offline if _is_offline(match) else Confidence.HIGH
    in_task = rule.in_tasks if match.exposure == "task" else Confidence.HIGH
    return weakest(rule.confidence, match.confidence, seen, offline, in_task)


def _is_offline(match: Match) -> bool:
    return match.exposure in BY_HAND or not match.endpoint


def _message(rule: Rule, words: dict[str, str]) -> str:
    def word(found: re.Match[str]) -> str:
        if found[1] not in words:
            given = ", ".join(f"{{{name}}}" for name in sorted(words)) or "none"
            raise DataError(
                rule.path,
                rule.line,
                f"the detector {rule.detector} gives no word {found[0]} here: it gives {given}.",
            )
        return words[found[1]]

    return _WORD_IN_BRACES.sub(word, rule.message)


def _shown(text: str) -> str:
    """Return text of the audited code as one short printable line without secrets.

    A space at its beginning stays: some words of a message bring their own.
    """
    folded = _SPACES.sub(" ", mask_secrets(text))
    if len(folded) > LONGEST_WORD:
        folded = f"{folded[: LONGEST_WORD - 3]}..."
    if folded.isprintable():
        return folded
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in folded)


def _masked(step: TraceStep) -> TraceStep:
    return replace(step, message=_shown(step.message.strip()))


def _snippet(location: Location, read_line: ReadLine) -> str:
    lines = [read_line(location.path, number).rstrip() for number in _line_numbers(location)]
    return mask_secrets("\n".join(lines[:LONGEST_SNIPPET]))


def _line_numbers(location: Location) -> range:
    # Ends are exclusive, so a place that ends in column 1 does not reach into that line.
    reaches_last = location.end_column > 1 or location.end_line == location.line
    return range(location.line, location.end_line + reaches_last)


def _site_text(location: Location, read_line: ReadLine) -> str:
    """Return the source text of a place; of a mere point, its whole line."""
    lines = [read_line(location.path, number) for number in _line_numbers(location)]
    is_point = len(lines) == 1 and location.end_column <= location.column + 1
    if is_point or not lines:
        return "".join(lines)
    if location.end_column > 1:
        lines[-1] = lines[-1][: location.end_column - 1]
    lines[0] = lines[0][location.column - 1 :]
    return "\n".join(lines)


def _fingerprint(key: tuple[str, ...], number: int) -> str:
    content = "\0".join((*key, str(number)))
    return sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:FINGERPRINT_DIGITS]
