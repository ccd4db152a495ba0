"""One place is told once, with the advice of both rules."""

from pathlib import Path

from perfaudit.audit import audit
from perfaudit.config import Settings

APP = """
import requests
from fastapi import FastAPI

app = FastAPI()

@app.get("/price")
async def price(url: str):
    return requests.get(url, timeout=5).json()
"""


def told(folder: Path, *rules: str) -> list[tuple[str, str]]:
    """Return the rule and the advice of each finding."""
    (folder / "app.py").write_text(APP)
    findings = audit(folder, (folder,), Settings(select=rules)).report.findings
    return [(finding.rule, finding.fix) for finding in findings]


def test_what_another_rule_tells_of_a_place_is_added_to_its_finding(tmp_path: Path) -> None:
    ((rule, advice),) = told(tmp_path, "PA601", "PA605")

    assert rule == "PA601"
    assert advice.startswith("Run it on a thread: `await run_in_threadpool(requests.get, ...)`.")
    assert advice.endswith(
        "Or write `def price` in place of `async def price`: "
        "fastapi runs it on a worker thread then."
    )


def test_a_rule_tells_what_no_other_one_is_asked_for(tmp_path: Path) -> None:
    assert [rule for rule, _ in told(tmp_path, "PA605")] == ["PA605"]
