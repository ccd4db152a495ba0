"""JSON as the schema promises it."""

import json
from importlib.resources import files
from typing import Any

import pytest
from hostile import HOSTILE, hostile_report
from jsonschema import Draft202012Validator
from sample_report import RULES, sample_finding, sample_report

from perfaudit.reporters.json_report import render

SCHEMA = json.loads((files("perfaudit.reporters") / "report.schema.json").read_text("utf-8"))


def data_of(*arguments: Any) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(render(sample_report(*arguments), RULES))
    return data


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("kind", ["sample", "empty", *HOSTILE])
def test_every_report_follows_the_schema(kind: str) -> None:
    reports = {"sample": sample_report(), "empty": sample_report((), (), ())}
    report = reports.get(kind) or hostile_report(HOSTILE[kind])

    Draft202012Validator(SCHEMA).validate(json.loads(render(report, RULES)))


def test_the_schema_describes_every_key_that_is_written() -> None:
    data = data_of()

    def undescribed(value: Any, schema: dict[str, Any], at: str) -> list[str]:
        schema = schema.get("anyOf", [schema])[0]
        if "$ref" in schema:
            schema = SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]]
        if isinstance(value, list):
            found = [undescribed(each, schema["items"], at) for each in value]
            return [each for part in found for each in part]
        if not isinstance(value, dict) or "additionalProperties" in schema:
            return []
        known = schema["properties"]
        missing = [f"{at}.{key}" for key in value if key not in known]
        for key in value:
            if key in known:
                missing += undescribed(value[key], known[key], f"{at}.{key}")
        return missing

    suppressed = data.pop("suppressed")
    assert undescribed(data, SCHEMA, "") == []
    assert [set(each) - set(data["findings"][0]) for each in suppressed] == [{"reason"}]


def test_a_field_that_is_gone_breaks_the_schema() -> None:
    data = data_of()
    del data["findings"][0]["fingerprint"]

    assert not Draft202012Validator(SCHEMA).is_valid(data)


def test_the_keys_stand_in_a_fixed_order() -> None:
    assert list(data_of()) == [
        "schema_version",
        "tool",
        "project",
        "coverage",
        "findings",
        "suppressed",
        "endpoints",
        "score",
        "inventory",
        "strengths",
        "problems",
    ]


def test_the_order_of_findings_is_that_of_every_report() -> None:
    turned = tuple(reversed(sample_report().findings))

    assert data_of(turned)["findings"] == data_of()["findings"]


def test_a_finding_says_where_why_and_what_it_costs() -> None:
    finding = data_of((sample_finding(),))["findings"][0]

    assert (finding["rule"], finding["name"]) == ("PA501", "query-in-loop")
    assert (finding["path"], finding["line"], finding["column"]) == ("app/api/agents.py", 42, 23)
    assert finding["trace"][0] == {
        "path": "app/api/agents.py",
        "line": 35,
        "column": 1,
        "message": "GET /agents enters list_agents",
    }
    assert finding["cost"] == "1 + 2*N(agents)"


def test_a_category_without_anything_to_inspect_is_null() -> None:
    categories = {each["id"]: each for each in data_of()["score"]["categories"]}

    assert categories["latency"]["score"] is None
    assert categories["database"]["score"] == 70


def test_suppressed_findings_keep_their_reasons() -> None:
    assert [each["reason"] for each in data_of()["suppressed"]] == ["at most three rows"]
