"""The report as SARIF 2.1.0, as code scanning services and editors read it."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from perfaudit.core.finding import Finding
from perfaudit.core.levels import Severity
from perfaudit.core.location import Location
from perfaudit.core.problem import Problem
from perfaudit.core.report import Report
from perfaudit.core.rule import Rule
from perfaudit.core.visible import visible
from perfaudit.reporters.escaping import (
    json_text,
    markdown,
    markdown_block,
    markdown_code,
    sarif_text,
    uri,
    visible_lines,
)
from perfaudit.reporters.grouping import EFFORT_WORDS
from perfaudit.reporters.options import DEFAULTS, RenderOptions

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
ROOT = "%SRCROOT%"
LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.ADVICE: "note",
}
PROBLEM_SEVERITIES = {"error": "error", "warning": "warning", "note": "recommendation"}

# Services refuse a file with more results, longer descriptions or more related places.
MOST_RESULTS = 25_000
MOST_PLACES = 100
LONGEST_DESCRIPTION = 1024

HASHED_UNITS = 100
HASH_BASE = 37
HASH_MASK = 2**64 - 1
END_OF_FILE = 0xFFFF


def render(report: Report, rules: Mapping[str, Rule], options: RenderOptions = DEFAULTS) -> str:
    """Return the report as compact SARIF of one run; ``rules`` are keyed by name.

    Suppressed findings are left out unless asked for: most services would show them as open.
    """
    findings = sorted(report.findings, key=Finding.sort_key)
    if options.show_suppressed:
        findings += sorted(report.suppressed, key=Finding.sort_key)
    left_out = len(findings) - MOST_RESULTS
    findings = findings[:MOST_RESULTS]
    names = sorted({finding.rule: finding.name for finding in findings}.items())
    order = {id: index for index, (id, _) in enumerate(names)}
    examples = {finding.rule: finding for finding in reversed(findings)}
    hashes = _hashes_of(findings, options)

    run: dict[str, Any] = {
        "tool": {
            "driver": {
                "name": "perfaudit",
                "version": report.version,
                "semanticVersion": report.version,
                "rules": [_rule(examples[id], rules.get(name)) for id, name in names],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {
            ROOT: {"description": {"text": "The root of the audited project."}},
        },
        "invocations": [_invocation(report.problems, left_out)],
        "results": [
            _result(finding, order[finding.rule], hashes.get(finding.location.path, ()))
            for finding in findings
        ],
    }
    if options.sarif_category:
        run["automationDetails"] = {"id": options.sarif_category.rstrip("/") + "/"}
    return _compact({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]})


def line_hashes(text: str) -> list[str]:
    """Return the ``primaryLocationLineHash`` of each line of a file.

    A line is known by the hundred UTF-16 units from its first one that is no blank, counted across
    line ends, and by how often the same hash has been seen before in the file.
    """
    folded = text.replace("\r\n", "\n").replace("\r", "\n")
    folded = folded.replace(" ", "").replace("\t", "")
    encoded = folded.encode("utf-16-le", "surrogatepass")
    units = [int.from_bytes(encoded[at : at + 2], "little") for at in range(0, len(encoded), 2)]
    starts = [0] + [at + 1 for at, unit in enumerate(units) if unit == ord("\n")]
    units += [END_OF_FILE] + [0] * HASHED_UNITS
    prefixes = list(
        accumulate(units, lambda hash, unit: (hash * HASH_BASE + unit) & HASH_MASK, initial=0)
    )
    shift = pow(HASH_BASE, HASHED_UNITS, HASH_MASK + 1)
    seen: Counter[int] = Counter()
    hashes = []
    for start in starts:
        value = (prefixes[start + HASHED_UNITS] - prefixes[start] * shift) & HASH_MASK
        seen[value] += 1
        hashes.append(f"{value:x}:{seen[value]}")
    return hashes


def _hashes_of(findings: Sequence[Finding], options: RenderOptions) -> dict[str, Sequence[str]]:
    texts = {
        path: options.read_text(path)
        for path in sorted({finding.location.path for finding in findings})
    }
    return {path: line_hashes(text) for path, text in texts.items() if text is not None}


def _rule(example: Finding, rule: Rule | None) -> dict[str, Any]:
    severity = rule.severity if rule else example.severity
    summary = visible((rule.summary if rule else "") or example.name)
    why = visible_lines(rule.why).strip() if rule else ""
    remedy = visible_lines((rule.fix if rule else "") or example.fix).strip()
    level = LEVELS[severity]

    return {
        "id": example.rule,
        "name": example.name,
        "shortDescription": {"text": _shortened(summary)},
        "fullDescription": {"text": _shortened(why or summary)},
        "help": {
            "text": "\n\n".join(filter(None, (summary, why, remedy and f"Remediation: {remedy}"))),
            "markdown": _help(example, rule, summary),
        },
        "defaultConfiguration": {"level": level},
        "properties": {
            "tags": ["performance", example.category],
            "precision": str(rule.confidence if rule else example.confidence),
            "problem.severity": PROBLEM_SEVERITIES[level],
        },
    }


def _help(example: Finding, rule: Rule | None, summary: str) -> str:
    """Return the help of a rule. What rule files say is Markdown already; messages are not."""
    remedy = visible_lines((rule.fix if rule else "") or markdown(example.fix)).strip()
    parts = [f"# {markdown(example.name)} ({example.rule})", markdown(summary)]
    if rule:
        parts += ["## Why", visible_lines(rule.why).strip()]
    parts += ["## Remediation", remedy]
    for case in rule.cases if rule else ():
        if case.shown:
            parts.append(f"### {markdown(case.name)}")
            parts += [markdown_block(text, "python") for text in case.files.values()]
    effort = rule.effort if rule else example.effort
    parts.append(
        f"Effort: {effort} ({EFFORT_WORDS[effort]}). More:"
        f" {markdown_code(f'perfaudit explain {example.rule}')}."
        f" To accept one place: {markdown_code(f'# perfaudit: ignore[{example.name}] reason')}."
    )
    return "\n\n".join(part for part in parts if part)


def _result(finding: Finding, index: int, hashes: Sequence[str]) -> dict[str, Any]:
    steps = [
        {
            "id": number,
            "physicalLocation": _physical(step.location),
            "message": {"text": sarif_text(step.message)},
        }
        for number, step in enumerate(finding.trace[:MOST_PLACES], 1)
    ]
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": LEVELS[finding.severity],
        "message": {"text": _message(finding)},
        "locations": [{"physicalLocation": _physical(finding.location, finding.snippet)}],
        "partialFingerprints": {"perfaudit/v1": finding.fingerprint},
    }
    if finding.function:
        result["locations"][0]["logicalLocations"] = [
            {"fullyQualifiedName": visible(finding.function), "kind": "function"}
        ]
    if finding.location.line <= len(hashes):
        result["partialFingerprints"] = {
            "primaryLocationLineHash": hashes[finding.location.line - 1],
            "perfaudit/v1": finding.fingerprint,
        }
    if steps:
        result["relatedLocations"] = steps
        result["codeFlows"] = [
            {"threadFlows": [{"locations": [{"location": _without_id(step)} for step in steps]}]}
        ]
    if finding.suppressed is not None:
        result["suppressions"] = [_suppression(finding.suppressed)]
    result["properties"] = {
        "name": finding.name,
        "category": finding.category,
        "severity": str(finding.severity),
        "confidence": str(finding.confidence),
        "endpoint": visible(finding.endpoint),
        "cost": visible(finding.cost),
        "effort": str(finding.effort),
    }
    return result


def _message(finding: Finding) -> str:
    """Return the message, the cost, and the proof as links to the related places."""
    parts = [sarif_text(finding.message)]
    if finding.cost:
        parts.append(f"Cost: {sarif_text(finding.cost)}.")
    if finding.trace:
        links = [
            f"[{sarif_text(visible(step.message)) or 'step'}]({number})"
            for number, step in enumerate(finding.trace[:MOST_PLACES], 1)
        ]
        parts.append(f"Proof: {', then '.join(links)}.")
    if finding.fix:
        parts.append(f"Remediation: {sarif_text(finding.fix)}")
    return " ".join(parts)


def _physical(location: Location, snippet: str = "") -> dict[str, Any]:
    region: dict[str, Any] = {
        "startLine": location.line,
        "startColumn": location.column,
        "endLine": location.end_line,
        "endColumn": location.end_column,
    }
    if snippet:
        region["snippet"] = {"text": visible_lines(snippet)}
    return {
        "artifactLocation": {"uri": uri(location.path), "uriBaseId": ROOT},
        "region": region,
    }


def _without_id(step: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in step.items() if key != "id"}


def _suppression(reason: str) -> dict[str, Any]:
    accepted: dict[str, Any] = {"kind": "inSource", "status": "accepted"}
    return accepted | ({"justification": visible(reason)} if reason else {})


def _invocation(problems: Sequence[Problem], left_out: int) -> dict[str, Any]:
    notes = [_notification(problem) for problem in problems]
    if left_out > 0:
        text = f"{left_out:,} more findings are left out: services refuse a file with them."
        notes.append({"level": "warning", "message": {"text": text}})
    return {
        "executionSuccessful": all(problem.kind != "internal" for problem in problems),
        "toolExecutionNotifications": notes,
    }


def _notification(problem: Problem) -> dict[str, Any]:
    place: dict[str, Any] = {
        "artifactLocation": {"uri": uri(problem.path), "uriBaseId": ROOT},
    }
    if problem.line > 0:
        place["region"] = {"startLine": problem.line}
    note: dict[str, Any] = {
        "level": "error" if problem.kind == "internal" else "warning",
        "message": {"text": sarif_text(f"{problem.kind}: {problem.message}")},
    }
    return note | ({"locations": [{"physicalLocation": place}]} if problem.path else {})


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_DESCRIPTION else text[: LONGEST_DESCRIPTION - 3] + "..."


def _compact(log: dict[str, Any]) -> str:
    return json_text(json.dumps(log, ensure_ascii=True, separators=(",", ":"))) + "\n"
