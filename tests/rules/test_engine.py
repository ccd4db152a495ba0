"""What detectors match becomes findings, in one order, with proof that survives edits."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any

import pytest

from perfaudit.core.errors import DataError
from perfaudit.core.finding import Finding
from perfaudit.core.levels import Confidence, Role, Severity
from perfaudit.core.location import Location
from perfaudit.core.rule import Rule
from perfaudit.rules import load_rules
from perfaudit.rules.engine import Judgement, judge
from perfaudit.rules.strengths import strengths_of
from perfaudit.sources.suppressions import find_suppressions

from .conftest import WriteRule


@dataclass
class FakeProgram:
    """A program whose calls the fake detector reports where their name starts with "slow"."""

    text: str
    path: str = "app.py"
    role: Role = Role.PRODUCTION
    rule: str = ""
    extra: Sequence[tuple[Location, str, str]] = ()
    roles: dict[str, Role] = field(init=False)

    def __post_init__(self) -> None:
        self.roles = {self.path: self.role}

    @property
    def calls(self) -> list[tuple[Location, str, str]]:
        """Return the place, name and rule of each call; a line has one at most."""
        found = []
        for number, line in enumerate(self.text.split("\n"), start=1):
            call = line.partition("#")[0].rstrip()
            name = call.strip()
            if name.endswith(")"):
                column = len(call) - len(name) + 1
                place = Location(self.path, number, column, number, len(call) + 1)
                found.append((place, name, self.rule))
        return [*found, *self.extra]


@pytest.fixture
def rules(write_rule: WriteRule) -> dict[str, Rule]:
    return load_rules([write_rule().parents[1]])


def judged(program: FakeProgram, rules: dict[str, Rule], **given: Any) -> Judgement:
    lines = program.text.split("\n")
    suppressions = find_suppressions(program.text)
    return judge(
        program,  # type: ignore[arg-type]
        rules,
        read_line=lambda path, line: lines[line - 1] if 0 < line <= len(lines) else "",
        suppressions={program.path: suppressions} if suppressions else {},
        **given,
    )


def found(text: str, rules: dict[str, Rule], **given: Any) -> Finding:
    (finding,) = judged(FakeProgram(text), rules, **given).findings
    return finding


def test_a_match_becomes_a_finding_of_its_rule(rules: dict[str, Rule]) -> None:
    finding = found("if x:\n    slow(1)\nfast()\n", rules)

    assert (finding.rule, finding.name, finding.category) == ("PA550", "slow-query", "database")
    assert finding.message == "slow(1) is slow."
    assert finding.words == {"call": "slow(1)"}
    assert finding.snippet == "    slow(1)"
    assert (finding.severity, finding.confidence) == (Severity.HIGH, Confidence.HIGH)


def test_everything_inspected_is_counted(rules: dict[str, Rule]) -> None:
    judgement = judged(FakeProgram("slow()\nfast()\nfast()\n"), rules)

    assert [each.location.line for each in judgement.opportunities["slow-query"]] == [1, 2, 3]
    assert strengths_of(judgement, rules) == ()


def test_what_is_sound_is_a_strength(rules: dict[str, Rule]) -> None:
    (strength,) = strengths_of(judged(FakeProgram("fast()\nfast()\n"), rules), rules)

    assert (strength.category, strength.text, strength.count) == ("database", "No slow query", 2)


def test_words_cannot_break_the_page_or_tell_secrets(rules: dict[str, Rule]) -> None:
    finding = found('slow("\x1b[2J{call}", password="hunter22")\n', rules)

    assert finding.message == 'slow("\\x1b[2J{call}", password="***") is slow.'
    assert "hunter22" not in finding.snippet


def test_a_word_keeps_the_space_it_brings(write_rule: WriteRule, rules: dict[str, Rule]) -> None:
    fake_calls = import_module("perfaudit.detectors.fake_calls")
    path = write_rule(message='"`{call}`{hops}{plural} is slow."')
    program = FakeProgram("slow()\n")
    words = {"call": "slow(\n\n1)", "hops": " (2 calls\n away)", "plural": ""}

    with pytest.MonkeyPatch.context() as patch:
        original = fake_calls.Match
        patch.setattr(fake_calls, "Match", lambda place, given, **more: original(place, words))
        (finding,) = judged(program, load_rules([path.parents[1]])).findings

    assert finding.message == "`slow( 1)` (2 calls away) is slow."


def test_a_message_asks_only_for_words_that_are_given(write_rule: WriteRule) -> None:
    path = write_rule(message='"{table} is slow."')

    with pytest.raises(DataError, match=r"no word \{table\} here: it gives \{call\}") as fault:
        found("slow()\n", load_rules([path.parents[1]]))
    assert str(fault.value).startswith(f"{path}:4: ")


def lowered(rules: dict[str, Rule], **levels: Any) -> dict[str, Rule]:
    return {name: replace(rule, **levels) for name, rule in rules.items()}


def test_a_match_lowers_its_rule_and_never_raises_it(
    rules: dict[str, Rule], monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_calls = import_module("perfaudit.detectors.fake_calls")
    original = fake_calls.Match
    weaker = {"severity": Severity.MEDIUM, "confidence": Confidence.MEDIUM}
    monkeypatch.setattr(fake_calls, "Match", lambda *a, **k: original(*a, **k, **weaker))

    finding = found("slow()\n", rules)
    assert (finding.severity, finding.confidence) == (Severity.MEDIUM, Confidence.MEDIUM)
    finding = found("slow()\n", lowered(rules, severity=Severity.LOW, confidence=Confidence.LOW))
    assert (finding.severity, finding.confidence) == (Severity.LOW, Confidence.LOW)


@pytest.mark.parametrize(
    ("given", "confidence"),
    [
        ({"exposure": "endpoint", "endpoint": "GET /books"}, Confidence.HIGH),
        ({"exposure": "endpoint", "endpoint": ""}, Confidence.MEDIUM),
        ({"exposure": "command", "endpoint": "command sync"}, Confidence.MEDIUM),
        ({"exposure": "task", "endpoint": "task sync"}, Confidence.LOW),
        ({"exposure": "unknown"}, Confidence.MEDIUM),
    ],
)
def test_a_rule_may_be_less_sure_where_nobody_waits(
    rules: dict[str, Rule],
    monkeypatch: pytest.MonkeyPatch,
    given: dict[str, Any],
    confidence: Confidence,
) -> None:
    fake_calls = import_module("perfaudit.detectors.fake_calls")
    original = fake_calls.Match
    monkeypatch.setattr(fake_calls, "Match", lambda *a, **k: original(*a, **k, **given))
    doubting = lowered(rules, offline=Confidence.MEDIUM, in_tasks=Confidence.LOW)

    assert found("slow()\n", rules).confidence is Confidence.HIGH
    assert found("slow()\n", doubting).confidence is confidence


def test_a_place_is_reported_once(rules: dict[str, Rule]) -> None:
    program = FakeProgram("slow()\n")
    program.extra = program.calls * 2

    assert len(judged(program, rules).findings) == 1


def fingerprints(text: str, rules: dict[str, Rule]) -> list[str]:
    findings = judged(FakeProgram(text), rules).findings
    return [each.fingerprint for each in sorted(findings, key=lambda each: each.location)]


def test_a_fingerprint_survives_what_moves_the_line(rules: dict[str, Rule]) -> None:
    (plain,) = fingerprints("slow(1, 2)\n", rules)

    assert fingerprints("\n\nif x:\n    slow(1,  2)\n", rules) == [plain]
    assert fingerprints("fast()\nslow(1, 2)  # why\n", rules) == [plain]
    assert fingerprints("slow(1, 3)\n", rules) != [plain]


def test_equal_places_have_fingerprints_of_their_own(rules: dict[str, Rule]) -> None:
    first, second = fingerprints("slow()\nslow()\n", rules)

    assert first != second
    assert fingerprints("slow()\nfast()\n\nslow()\n", rules) == [first, second]


def test_two_files_never_share_a_fingerprint(rules: dict[str, Rule]) -> None:
    (here,) = judged(FakeProgram("slow()\n"), rules).findings
    (there,) = judged(FakeProgram("slow()\n", path="other.py"), rules).findings

    assert here.fingerprint != there.fingerprint


@pytest.mark.parametrize("role", [Role.TEST, Role.MIGRATION, Role.SCRIPT])
def test_only_production_is_judged_unless_asked(rules: dict[str, Rule], role: Role) -> None:
    program = FakeProgram("slow()\n", role=role)
    quiet = judged(program, rules)
    asked = judged(program, rules, roles=frozenset({role}))

    assert (quiet.findings, quiet.opportunities) == ((), {"slow-query": ()})
    assert [finding.role for finding in asked.findings] == [role]


def test_the_order_of_rules_and_matches_does_not_show(write_rule: WriteRule) -> None:
    write_rule()
    path = write_rule("database/slower-query.yaml", id="PA551", name="slower-query")
    rules = load_rules([path.parents[1]])
    forward = FakeProgram("slow(1)\nslow(2)\n")
    forward.extra = [(place, "slow", "slower-query") for place, _, _ in forward.calls]
    forward.rule = "slow-query"
    backward = FakeProgram("", extra=list(reversed(forward.calls)))
    lines = forward.text.split("\n")
    given: dict[str, Any] = {"read_line": lambda _, n: lines[n - 1], "suppressions": {}}

    one = judge(forward, rules, **given)  # type: ignore[arg-type]
    other = judge(backward, dict(reversed(rules.items())), **given)  # type: ignore[arg-type]
    assert one.findings == other.findings
    assert [(f.rule, f.location.line) for f in one.findings] == [
        ("PA550", 1), ("PA550", 2), ("PA551", 1), ("PA551", 2),
    ]  # fmt: skip


def test_a_shared_detector_runs_for_the_selected_rules_only(write_rule: WriteRule) -> None:
    write_rule()
    path = write_rule("database/slower-query.yaml", id="PA551", name="slower-query")
    rules = load_rules([path.parents[1]])
    program = FakeProgram("slow()\n", rule="slower-query")

    assert judged(program, rules, selected=["slow-query"]).findings == ()
    assert len(judged(program, rules, selected=["slower-query"]).findings) == 1


def test_a_match_that_could_be_of_two_rules_is_a_fault_of_the_detector(
    write_rule: WriteRule,
) -> None:
    write_rule()
    path = write_rule("database/slower-query.yaml", id="PA551", name="slower-query")
    rules = load_rules([path.parents[1]])

    with pytest.raises(ValueError, match="slow-query, slower-query"):
        judged(FakeProgram("slow()\n"), rules, strict=True)


def test_a_detector_that_fails_is_a_problem(rules: dict[str, Rule]) -> None:
    program = FakeProgram("slow()\n", extra=[(Location("app.py", 9), "broken", "")])
    judgement = judged(program, rules)

    (problem,) = judgement.problems
    assert (problem.kind, problem.path) == ("internal", "perfaudit/detectors/fake_calls.py")
    assert "fake_calls failed (KeyError: 'odd code')" in problem.message
    assert len(judgement.findings) == 1
    assert judgement.unfinished == {"slow-query"}
    with pytest.raises(KeyError):
        judged(program, rules, strict=True)


@pytest.mark.parametrize("word", ["slow-query", "PA550", "pa550", "PA5", "slow", "other, PA550"])
def test_a_comment_silences_its_line(rules: dict[str, Rule], word: str) -> None:
    judgement = judged(FakeProgram(f"slow()  # perfaudit: ignore[{word}] twice a day\n"), rules)

    assert judgement.findings == ()
    assert [finding.suppressed for finding in judgement.suppressed] == ["twice a day"]


@pytest.mark.parametrize(
    "text",
    [
        "slow()  # perfaudit: ignore\n",
        "# perfaudit: ignore[slow-query] why\nslow()\n",
        "# perfaudit: ignore-file[slow-query]\n\nslow()\n",
    ],
)
def test_a_comment_may_stand_elsewhere(rules: dict[str, Rule], text: str) -> None:
    assert len(judged(FakeProgram(text), rules).suppressed) == 1


@pytest.mark.parametrize(
    "text",
    [
        "slow()  # perfaudit: ignore[PA6]\n",
        "slow()\nfast()  # perfaudit: ignore[PA5]\n",
        "slow()  # perfaudit: ignore[]\n",
    ],
)
def test_a_comment_about_something_else_silences_nothing(rules: dict[str, Rule], text: str) -> None:
    assert len(judged(FakeProgram(text), rules).findings) == 1


def test_a_call_over_several_lines_is_silenced_on_each(rules: dict[str, Rule]) -> None:
    text = "x = [\n    1,  # perfaudit: ignore[PA550] long\n]\n"
    program = FakeProgram(text, extra=[(Location("app.py", 1, 5, 3, 2), "slow", "")])

    assert len(judged(program, rules).suppressed) == 1


UNUSED = {
    "id": "PA713",
    "name": "unused-suppression",
    "message": '"The suppression of {rules} {fault}."',
    "severity": "advice",
    "detect": "{engine: unused_suppressions}",
}


@pytest.fixture
def all_rules(write_rule: WriteRule) -> dict[str, Rule]:
    write_rule()
    write_rule("caching/old-cache.yaml", id="PA402", name="old-cache")
    path = write_rule("bottlenecks/unused-suppression.yaml", **UNUSED)
    return load_rules([path.parents[1]])


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("ignore[slow-query]", "The suppression of slow-query silences nothing."),
        ("ignore[PA5, PA4]", "The suppression of PA5, PA4 silences nothing."),
        ("ignore", "The suppression of every rule silences nothing."),
        ("ignore[slwo-query]", "The suppression of slwo-query names no rule."),
    ],
)
def test_a_suppression_without_effect_is_reported(
    all_rules: dict[str, Rule], comment: str, message: str
) -> None:
    (finding,) = judged(FakeProgram(f"fast()  # perfaudit: {comment} why\n"), all_rules).findings

    assert (finding.rule, finding.message, finding.location.line) == ("PA713", message, 1)
    assert finding.severity is Severity.ADVICE


def test_only_the_idle_word_of_a_suppression_is_blamed(all_rules: dict[str, Rule]) -> None:
    program = FakeProgram("slow()  # perfaudit: ignore[old-cache, slow-query]\n", rule="slow-query")
    judgement = judged(program, all_rules)

    assert [finding.message for finding in judgement.findings] == [
        "The suppression of old-cache silences nothing."
    ]
    assert len(judgement.suppressed) == 1


def test_a_suppression_of_a_rule_that_did_not_run_is_not_blamed(
    all_rules: dict[str, Rule],
) -> None:
    chosen = ["slow-query", "unused-suppression"]
    for comment in ("ignore[old-cache]", "ignore", "ignore[PA4]"):
        program = FakeProgram(f"fast()  # perfaudit: {comment}\n")
        assert judged(program, all_rules, selected=chosen).findings == ()


def test_a_suppression_of_a_rule_that_failed_is_not_blamed(all_rules: dict[str, Rule]) -> None:
    program = FakeProgram("fast()  # perfaudit: ignore[slow-query]\n")
    program.extra = [(Location("app.py", 9), "broken", "slow-query")]

    assert judged(program, all_rules).findings == ()


def test_a_suppression_in_a_file_that_is_not_reported_is_not_blamed(
    all_rules: dict[str, Rule],
) -> None:
    program = FakeProgram("slow()  # perfaudit: ignore[PA4]\n", role=Role.TEST)

    assert judged(program, all_rules).findings == ()


def test_idle_suppressions_may_be_excused(all_rules: dict[str, Rule]) -> None:
    text = "# perfaudit: ignore-file[PA713] branches\n\nfast()  # perfaudit: ignore[PA5]\n"
    judgement = judged(FakeProgram(text), all_rules)

    assert judgement.findings == ()
    assert [finding.suppressed for finding in judgement.suppressed] == ["branches"]
