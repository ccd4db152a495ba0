"""The cases of a rule and the examples of a library are run, and a failure shows the line."""

from pathlib import Path

import pytest

from perfaudit.libraries.loader import load_library
from perfaudit.rules import harness, load_rule
from perfaudit.rules.harness import CaseResult

SLEEP = """\
id: PA690
name: sleep-in-async
summary: A sleep blocks the event loop.
message: "{call} blocks {function}."
severity: high
confidence: high
effort: S
since: "0.1"
detect: {effect: blocking, within: async_function}
why: It waits.
fix: Await asyncio.sleep.
examples:
  - name: plain
    bad: |
      import time

      async def wait():
          time.sleep(1)  # finding
    good: |
      import asyncio

      async def wait():
          await asyncio.sleep(1)
cases:
  - name: the case
    code: |
"""


def result_of(folder: Path, code: str) -> CaseResult:
    """Return how a case with this code goes."""
    path = folder / "async" / "sleep-in-async.yaml"
    path.parent.mkdir(exist_ok=True)
    body = "".join(f"      {line}\n" for line in code.splitlines())
    path.write_text(SLEEP + body)
    return harness.run_cases(load_rule(path))[-1]


def test_a_case_that_holds_has_no_failure(tmp_path: Path) -> None:
    assert result_of(tmp_path, "import time\ntime.sleep(1)").failure == ""


def test_a_false_alarm_is_shown_at_its_line(tmp_path: Path) -> None:
    code = "import time\n\nasync def wait():\n    time.sleep(1)"

    assert result_of(tmp_path, code).failure == (
        "sleep-in-async.yaml: the case\n"
        "           3  async def wait():\n"
        "  FALSE    4      time.sleep(1)\n"
        "  app.py:4:5: time.sleep blocks wait."
    )


def test_a_missed_alarm_is_shown_at_its_line(tmp_path: Path) -> None:
    code = "import time\n\ndef wait():\n    time.sleep(1)  # finding"

    assert result_of(tmp_path, code).failure == (
        "sleep-in-async.yaml: the case\n"
        "           3  def wait():\n"
        "  MISSED   4      time.sleep(1)  # finding"
    )


def test_a_mark_may_ask_for_a_confidence(tmp_path: Path) -> None:
    code = "import time\n\nasync def wait():\n    time.sleep(1)  # finding: "

    assert result_of(tmp_path, f"{code}high").failure == ""
    assert result_of(tmp_path, f"{code}medium").failure == (
        "sleep-in-async.yaml: the case\n"
        "           3  async def wait():\n"
        "  UNSURE   4      time.sleep(1)  # finding: medium\n"
        "  app.py:4:5: time.sleep blocks wait. (high confidence)"
    )


def test_code_that_cannot_be_read_fails_its_case(tmp_path: Path) -> None:
    failure = result_of(tmp_path, "def wait(:\n    pass").failure

    assert failure.startswith("sleep-in-async.yaml: the case\n")
    assert "app.py" in failure


def test_a_message_with_an_unknown_word_fails_its_case(tmp_path: Path) -> None:
    path = tmp_path / "async" / "sleep-in-async.yaml"
    path.parent.mkdir()
    path.write_text(SLEEP.replace("{function}", "{coroutine}") + "      pass\n")
    failure = harness.check(load_rule(path))[0]

    assert "gives no word {coroutine} here" in failure
    assert f"{path}:4: " in failure


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("import time\ntime.sleep(1)  # effects: sleep, blocking\nlen([1])\n", ""),
        ("import time\ntime.sleep(1)  # effects: sleep\n", "has # effects: sleep, blocking"),
        ("import time\ntime.sleep(1)\n", "line 2   time.sleep(1)"),
        ("import time\ntime.time()  # effects: sleep\n", "has no effects"),
    ],
)
def test_an_example_has_exactly_the_effects_it_is_marked_with(
    tmp_path: Path, code: str, failure: str
) -> None:
    path = tmp_path / "own.yaml"
    body = "".join(f"      {line}\n" for line in code.splitlines())
    path.write_text(f"library: own\ndocs: x\npackages: [own]\nexamples:\n  - code: |\n{body}")
    (result,) = harness.run_examples(load_library(path))

    assert result.name == "example 1"
    if failure:
        assert failure in result.failure
    else:
        assert result.failure == ""
