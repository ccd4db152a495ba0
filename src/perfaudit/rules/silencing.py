"""Which findings the comments of the audited code silence, and which comments silence none."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from perfaudit.config import matching_rules
from perfaudit.core.errors import UsageError
from perfaudit.core.finding import Finding, Match
from perfaudit.core.location import Location
from perfaudit.core.rule import Rule
from perfaudit.sources.types import Suppression

EVERY_RULE = ""
"""The word of a suppression that names no rule."""

Use = tuple[str, Suppression, str]
"""A word of a suppression that silenced something: path, suppression, word."""


def silence(
    findings: Sequence[Finding],
    suppressions: Mapping[str, Sequence[Suppression]],
    rules: Mapping[str, Rule],
) -> tuple[list[Finding], list[Finding], set[Use]]:
    """Return the findings that stay, those that are suppressed, and what suppressed them."""
    heard: list[Finding] = []
    silent: list[Finding] = []
    used: set[Use] = set()
    for finding in findings:
        path = finding.location.path
        uses = [
            (path, suppression, word)
            for suppression in suppressions.get(path, ())
            if _speaks_of(suppression, finding.location)
            for word in _words(suppression)
            if finding.name in _meant(word, rules)
        ]
        if uses:
            silent.append(replace(finding, suppressed=uses[0][1].reason))
            used.update(uses)
        else:
            heard.append(finding)
    return heard, silent, used


def unused_suppressions(
    suppressions: Mapping[str, Sequence[Suppression]],
    used: Collection[Use],
    rules: Mapping[str, Rule],
    judged: Collection[str],
    *,
    but: Rule,
) -> Iterator[Match]:
    """Yield a match for each suppression with a word that silences nothing.

    A word is only blamed if all rules that it means were ``judged``, and if it means others
    ``but`` that one.
    """
    for path, those in sorted(suppressions.items()):
        for suppression in those:
            idle = [word for word in _words(suppression) if (path, suppression, word) not in used]
            unknown = [word for word in idle if not _meant(word, rules)]
            known = [word for word in idle if _is_blamed(_meant(word, rules), judged, but)]
            for words, fault in ((unknown, "names no rule"), (known, "silences nothing")):
                if words:
                    named = ", ".join(word or "every rule" for word in words)
                    yield Match(Location(path, suppression.line), {"rules": named, "fault": fault})


def only_about(
    rule: Rule, suppressions: Mapping[str, Sequence[Suppression]], rules: Mapping[str, Rule]
) -> dict[str, list[Suppression]]:
    """Return the suppressions that mean this rule and no other."""
    return {
        path: [
            suppression
            for suppression in those
            if any(_meant(word, rules) == {rule.name} for word in suppression.rules)
        ]
        for path, those in suppressions.items()
    }


def _speaks_of(suppression: Suppression, location: Location) -> bool:
    if suppression.whole_file:
        return True
    return location.line <= suppression.target_line <= location.end_line


def _words(suppression: Suppression) -> tuple[str, ...]:
    return suppression.rules or (EVERY_RULE,)


def _meant(word: str, rules: Mapping[str, Rule]) -> set[str]:
    if word == EVERY_RULE:
        return set(rules)
    try:
        return set(matching_rules(rules, word))
    except UsageError:
        return set()


def _is_blamed(meant: set[str], judged: Collection[str], but: Rule) -> bool:
    others = meant - {but.name}
    return bool(others) and others <= set(judged)
