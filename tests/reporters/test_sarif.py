"""SARIF as code scanning services and editors want it."""

import json
import os
import subprocess
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hostile import HOSTILE, hostile_report
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, validators
from sample_report import RULES, sample_finding, sample_findings, sample_report
from sarif_tool import MultitoolMissing, binary, install

from perfaudit.core.finding import TraceStep
from perfaudit.core.location import Location
from perfaudit.core.problem import Problem
from perfaudit.reporters import RenderOptions
from perfaudit.reporters.sarif import line_hashes, render

AGENTS = "".join(f"line {number}\n" for number in range(1, 90))
OPTIONS = RenderOptions(read_text={"app/api/agents.py": AGENTS}.get)


@pytest.fixture(scope="session")
def multitool() -> Path:
    try:
        return install()
    except MultitoolMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


def run_of(text: str) -> dict[str, Any]:
    log = json.loads(text)
    assert len(log["runs"]) == 1
    run: dict[str, Any] = log["runs"][0]
    return run


@pytest.mark.parametrize(
    ("text", "hashes"),
    [
        ("", ["c129715d7a2bc9a3:1"]),
        (
            " a\nb\n  \t\tc\n d",
            [
                "271789c17abda88f:1",
                "54703d4cd895b18:1",
                "180aee12dab6264:1",
                "a23a3dc5e078b07b:1",
            ],
        ),
    ],
)
def test_line_hashes_are_the_published_ones(text: str, hashes: list[str]) -> None:
    assert line_hashes(text) == hashes


def test_equal_lines_are_numbered() -> None:
    hashes = line_hashes("Lorem ipsum dolor sit amet.\n" * 10)

    assert hashes[:6] == [f"a7f2ff13bc495cf2:{number}" for number in range(1, 7)]
    assert len(hashes) == 11


def test_line_ends_and_indentation_do_not_change_a_hash() -> None:
    assert line_hashes("a\r\n\tb\rc  d\n") == line_hashes("a\nb\ncd\n")


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from("ab \t\n\ré😀"), max_size=300))
def test_line_hashes_agree_with_their_definition(text: str) -> None:
    folded = text.replace("\r\n", "\n").replace("\r", "\n").replace(" ", "").replace("\t", "")
    encoded = folded.encode("utf-16-le")
    units = [encoded[at] + 256 * encoded[at + 1] for at in range(0, len(encoded), 2)]
    starts = [0] + [at + 1 for at, unit in enumerate(units) if unit == 10]
    units += [0xFFFF] + [0] * 100
    expected = [
        sum(unit * 37 ** (99 - at) for at, unit in enumerate(units[start : start + 100])) % 2**64
        for start in starts
    ]

    assert [each.split(":")[0] for each in line_hashes(text)] == [f"{each:x}" for each in expected]


def test_it_is_compact_ascii_of_one_run() -> None:
    text = render(sample_report(), RULES, OPTIONS)

    assert text.isascii()
    assert text.count("\n") == 1
    assert '": ' not in text.replace('\\": ', "")
    assert json.loads(text)["version"] == "2.1.0"
    assert json.loads(text)["$schema"].endswith("sarif-2.1.0.json")


def test_a_rule_tells_all_that_a_service_shows() -> None:
    rules = run_of(render(sample_report(), RULES, OPTIONS))["tool"]["driver"]["rules"]
    rule = next(each for each in rules if each["id"] == "PA501")

    assert [each["id"] for each in rules] == sorted(each["id"] for each in rules)
    assert rule["name"] == "query-in-loop"
    assert rule["shortDescription"]["text"] == RULES["query-in-loop"].summary
    assert "a request waits a hundred times" in rule["fullDescription"]["text"]
    assert "Remediation: Fetch all rows" in rule["help"]["text"]
    assert "```python\nfor agent in agents:" in rule["help"]["markdown"]
    assert "`perfaudit explain PA501`" in rule["help"]["markdown"]
    assert rule["defaultConfiguration"] == {"level": "error"}
    assert rule["properties"] == {
        "tags": ["performance", "database"],
        "precision": "high",
        "problem.severity": "error",
    }


def test_nothing_makes_a_finding_a_security_alert() -> None:
    text = render(sample_report(), RULES, OPTIONS)

    assert "security" not in text


def test_a_result_points_at_the_call_and_shows_the_proof() -> None:
    run = run_of(render(sample_report((sample_finding(),)), RULES, OPTIONS))
    result = run["results"][0]
    physical = result["locations"][0]["physicalLocation"]

    assert physical["artifactLocation"] == {"uri": "app/api/agents.py", "uriBaseId": "%SRCROOT%"}
    assert {
        key: physical["region"][key] for key in sorted(physical["region"]) if "snip" not in key
    } == {
        "startLine": 42,
        "startColumn": 23,
        "endLine": 42,
        "endColumn": 49,
    }
    assert result["level"] == "error"
    assert result["message"]["text"].startswith(
        "store.list_goals() queries goals once per item of agents. Cost: 1 + 2*N(agents)."
        " Proof: [GET /agents enters list_agents](1), then [for each agent of agents](2),"
    )
    assert [each["id"] for each in result["relatedLocations"]] == [1, 2, 3, 4]
    steps = result["codeFlows"][0]["threadFlows"][0]["locations"]
    assert [step["location"]["message"]["text"] for step in steps] == [
        each["message"]["text"] for each in result["relatedLocations"]
    ]
    assert result["locations"][0]["logicalLocations"] == [
        {"fullyQualifiedName": "app.api.agents.list_agents", "kind": "function"}
    ]
    assert run["columnKind"] == "unicodeCodePoints"


def test_a_result_has_both_fingerprints() -> None:
    finding = sample_finding()
    run = run_of(render(sample_report((finding,)), RULES, OPTIONS))

    assert run["results"][0]["partialFingerprints"] == {
        "primaryLocationLineHash": line_hashes(AGENTS)[41],
        "perfaudit/v1": finding.fingerprint,
    }


def test_a_file_that_is_gone_costs_only_the_line_hash() -> None:
    run = run_of(render(sample_report((sample_finding(),)), RULES))

    assert list(run["results"][0]["partialFingerprints"]) == ["perfaudit/v1"]


def test_every_result_names_a_rule_that_is_there_and_a_whole_region() -> None:
    run = run_of(render(sample_report(), RULES, OPTIONS))
    rules = run["tool"]["driver"]["rules"]

    assert len(run["results"]) == len(sample_findings())
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert len(rules[result["ruleIndex"]]["properties"]["tags"]) <= 10
        for place in (*result["locations"], *result.get("relatedLocations", ())):
            region = place["physicalLocation"]["region"]
            assert {"startLine", "startColumn", "endLine", "endColumn"} <= set(region)
            assert (
                place["physicalLocation"]["artifactLocation"]["uriBaseId"]
                in (run["originalUriBaseIds"])
            )


def test_suppressed_findings_are_left_out_unless_asked_for() -> None:
    silent = run_of(render(sample_report(), RULES))
    told = run_of(render(sample_report(), RULES, RenderOptions(show_suppressed=True)))

    assert all("suppressions" not in result for result in silent["results"])
    assert told["results"][-1]["suppressions"] == [
        {"kind": "inSource", "status": "accepted", "justification": "at most three rows"}
    ]


def test_problems_are_notifications() -> None:
    invocation = run_of(render(sample_report(), RULES))["invocations"][0]
    internal = sample_report(problems=(Problem("", 0, "internal", "a rule failed"),))

    assert invocation["executionSuccessful"] is True
    assert [note["message"]["text"] for note in invocation["toolExecutionNotifications"]] == [
        "syntax: expected an indented block"
    ]
    assert run_of(render(internal, RULES))["invocations"][0]["executionSuccessful"] is False


def test_a_category_is_written_only_where_it_is_asked_for() -> None:
    assert "automationDetails" not in run_of(render(sample_report(), RULES))
    for category in ("backend", "backend/"):
        run = run_of(render(sample_report(), RULES, RenderOptions(sarif_category=category)))
        assert run["automationDetails"] == {"id": "backend/"}


def test_limits_of_services_are_kept() -> None:
    steps = tuple(TraceStep(Location("a.py", line), "calls on") for line in range(1, 300))
    long = sample_finding(trace=steps)
    many = tuple(sample_finding(line=1, number=number, trace=()) for number in range(25_007))

    traced = run_of(render(sample_report((long,)), RULES))
    flooded = run_of(render(sample_report(many), RULES))

    assert len(traced["results"][0]["relatedLocations"]) == 100
    assert len(flooded["results"]) == 25_000
    assert flooded["invocations"][0]["toolExecutionNotifications"][-1]["message"]["text"] == (
        "7 more findings are left out: services refuse a file with them."
    )


def test_a_rule_that_is_unknown_is_described_by_its_finding() -> None:
    rules = run_of(render(sample_report(), {}))["tool"]["driver"]["rules"]

    assert all(rule["shortDescription"]["text"] for rule in rules)
    assert all(rule["help"]["text"] for rule in rules)


REPORTS = {"sample": sample_report(), "empty": sample_report((), (), ())} | {
    kind: hostile_report(text) for kind, text in HOSTILE.items()
}


def test_every_report_follows_the_schema(multitool: Path) -> None:
    schema = json.loads((multitool / "sarif-2.1.0.json").read_text("utf-8-sig"))
    validator = validators.validator_for(schema, Draft7Validator)(schema)
    options = RenderOptions(show_suppressed=True, read_text=lambda path: AGENTS)

    for name, report in REPORTS.items():
        faults = [
            f"{name}: {fault.json_path}: {fault.message[:200]}"
            for fault in validator.iter_errors(json.loads(render(report, RULES, options)))
        ]
        assert faults == []


@pytest.mark.parametrize("name", ["sample", "empty", "html", "half a pair", "direction"])
def test_the_multitool_finds_no_fault(multitool: Path, tmp_path: Path, name: str) -> None:
    written, log = tmp_path / "report.sarif", tmp_path / "log.sarif"
    options = RenderOptions(read_text=lambda path: AGENTS)
    written.write_text(render(REPORTS[name], RULES, options), "utf-8")

    command = [binary(multitool), "validate", written, "--rule-kind", "Sarif;Ghas"]
    outcome = subprocess.run(
        [*map(str, command), "-o", str(log), "--log", "ForceOverwrite"],
        capture_output=True,
        text=True,
        check=False,
    )

    # The exit code is 0 whatever it found, so its log is what counts.
    assert log.exists(), outcome.stdout + outcome.stderr
    found = json.loads(log.read_text("utf-8-sig"))["runs"][0].get("results", [])
    assert [each for each in found if each.get("level", "warning") == "error"] == []
    # There is no home page to point at yet.
    assert {each["ruleId"] for each in found if each.get("level") != "note"} <= {"SARIF2005"}


def test_the_multitool_computes_the_same_line_hashes(multitool: Path, tmp_path: Path) -> None:
    text = unicodedata.normalize("NFC", "import x\r\n\n\tdéf = '😀'\n  y = [1]\n\n\nlast")
    source = tmp_path / "source.py"
    source.write_bytes(text.encode("utf-8"))
    results = [
        {
            "ruleId": "R",
            "message": {"text": "m"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": source.as_uri()},
                        "region": {"startLine": line},
                    }
                }
            ],
        }
        for line in range(1, 8)
    ]
    plain = tmp_path / "plain.sarif"
    plain.write_text(
        json.dumps(
            {
                "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
                "version": "2.1.0",
                "runs": [{"tool": {"driver": {"name": "t"}}, "results": results}],
            }
        ),
        "utf-8",
    )
    hashed = tmp_path / "hashed.sarif"
    command = [binary(multitool), "rewrite", plain, "-o", hashed]
    subprocess.run(
        [*map(str, command), "--insert", "RollingHashPartialFingerprints"]
        + ["--log", "ForceOverwrite"],
        capture_output=True,
        check=True,
    )

    theirs = [
        result["partialFingerprints"]["primaryLocationLineHash"]
        for result in json.loads(hashed.read_text("utf-8-sig"))["runs"][0]["results"]
    ]
    assert theirs == line_hashes(text)
