"""The report as JSON, in the shape that ``report.schema.json`` promises."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from perfaudit.core.finding import Finding, TraceStep
from perfaudit.core.location import Location
from perfaudit.core.problem import Problem
from perfaudit.core.report import (
    CategoryScore,
    EndpointCard,
    Improvement,
    Report,
    Scorecard,
)
from perfaudit.core.rule import Rule
from perfaudit.reporters.escaping import json_text
from perfaudit.reporters.options import DEFAULTS, RenderOptions

SCHEMA_VERSION = 1


def render(report: Report, rules: Mapping[str, Rule], options: RenderOptions = DEFAULTS) -> str:
    """Return the report as indented JSON in ASCII, keys in a fixed order."""
    return json_text(json.dumps(as_data(report, rules), indent=2, ensure_ascii=True)) + "\n"


def as_data(report: Report, rules: Mapping[str, Rule]) -> dict[str, Any]:
    """Return the report as plain dictionaries and lists.

    A finding without advice for its place has that of its rule; ``rules`` are keyed by name.
    """
    advice = {name: " ".join(rule.fix.split()) for name, rule in rules.items()}
    project, coverage, inventory = report.project, report.coverage, report.inventory

    return {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "perfaudit", "version": report.version},
        "project": {
            "root": project.root,
            "files": project.files,
            "lines": project.lines,
            "entry_points": project.entry_points,
        },
        "coverage": {
            "calls": coverage.calls,
            "resolved": coverage.resolved,
            "share": None if coverage.share is None else round(coverage.share, 4),
            "files_skipped": [_problem(problem) for problem in coverage.files_skipped],
            "chains_truncated": coverage.chains_truncated,
            "unresolved": dict(sorted(coverage.unresolved.items())),
            "kinds": dict(sorted(coverage.kinds.items())),
            "unresolved_names": _counts(coverage.unresolved_names),
            "undescribed": _counts(coverage.undescribed),
        },
        "findings": [
            _finding(each, advice) for each in sorted(report.findings, key=Finding.sort_key)
        ],
        "suppressed": [
            _finding(each, advice) | {"reason": each.suppressed or ""}
            for each in sorted(report.suppressed, key=Finding.sort_key)
        ],
        "endpoints": [endpoint_entry(endpoint) for endpoint in report.endpoints],
        "score": _score(report.scorecard),
        "inventory": {
            "async_functions": inventory.async_functions,
            "gather_sites": inventory.gather_sites,
            "indexes": inventory.indexes,
            "tables": inventory.tables,
            "select_statements": inventory.select_statements,
            "cache_sites": inventory.cache_sites,
            "pools": inventory.pools,
            "endpoints": inventory.endpoints,
        },
        "strengths": [
            {"category": each.category, "text": each.text, "count": each.count}
            for each in report.strengths
        ],
        "problems": [_problem(problem) for problem in report.problems],
    }


def _counts(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return counted names as a list, since the order of a mapping is no promise of JSON."""
    return [{"name": name, "calls": number} for name, number in counts.items()]


def _finding(finding: Finding, advice: Mapping[str, str]) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "name": finding.name,
        "category": finding.category,
        "severity": str(finding.severity),
        "confidence": str(finding.confidence),
        **_place(finding.location),
        "message": finding.message,
        "function": finding.function,
        "endpoint": finding.endpoint,
        "trace": _trace(finding.trace),
        "cost": finding.cost,
        "effort": str(finding.effort),
        "fix": finding.fix or advice.get(finding.name, ""),
        "fingerprint": finding.fingerprint,
        "role": str(finding.role),
        "exposure": finding.exposure,
        "words": dict(sorted(finding.words.items())),
        "snippet": finding.snippet,
    }


def _trace(steps: Iterable[TraceStep]) -> list[dict[str, Any]]:
    return [
        {
            "path": step.location.path,
            "line": step.location.line,
            "column": step.location.column,
            "message": step.message,
        }
        for step in steps
    ]


def _place(location: Location) -> dict[str, Any]:
    return {
        "path": location.path,
        "line": location.line,
        "column": location.column,
        "end_line": location.end_line,
        "end_column": location.end_column,
    }


def endpoint_entry(card: EndpointCard) -> dict[str, Any]:
    """Return the card of an endpoint as the JSON of every command says it, without its terms."""
    return {
        "method": card.method,
        "path": card.path,
        "handler": card.handler,
        "file": card.location.path,
        "line": card.location.line,
        "queries": card.queries,
        "degree": card.degree,
        "http_calls": card.http_calls,
        "blocking": list(card.blocking),
        "cached": card.cached,
        "dispatch": card.dispatch,
        "resolved": card.resolved,
        "reads": card.reads,
        "writes": card.writes,
    }


def explained_entry(card: EndpointCard) -> dict[str, Any]:
    """Return the card of an endpoint with the terms of its cost, each with its chains of calls."""
    terms = [
        {
            "text": term.text,
            "effect": term.effect,
            "traces": [_trace(steps) for steps in term.traces],
        }
        for term in card.terms
    ]
    return endpoint_entry(card) | {"terms": terms}


def _score(card: Scorecard) -> dict[str, Any]:
    return {
        "overall": card.overall,
        "grade": card.grade,
        "withheld": card.withheld,
        "categories": [_category(category) for category in card.categories],
        "improvements": [_improvement(improvement) for improvement in card.improvements],
        "together": None if card.together is None else _improvement(card.together),
    }


def _category(category: CategoryScore) -> dict[str, Any]:
    return {
        "id": category.id,
        "title": category.title,
        "weight": category.weight,
        "score": category.score,
        "weighted": category.weighted,
        "inspected": category.inspected,
        "failing": category.failing,
        "cap": category.cap,
        "lost": list(category.lost),
    }


def _improvement(improvement: Improvement) -> dict[str, Any]:
    return {
        "fingerprints": list(improvement.fingerprints),
        "category": improvement.category,
        "before": improvement.before,
        "after": improvement.after,
        "overall_before": improvement.overall_before,
        "overall_after": improvement.overall_after,
        "grade_before": improvement.grade_before,
        "grade_after": improvement.grade_after,
        "rules": list(improvement.rules),
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "path": problem.path,
        "line": problem.line,
        "kind": problem.kind,
        "message": problem.message,
    }
