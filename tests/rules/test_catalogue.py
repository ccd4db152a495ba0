"""The rules that ship keep the house's rules: names, ids, and enough innocent code."""

import ast
from pathlib import Path

import pytest

import perfaudit.detectors
from perfaudit.core.rule import Rule
from perfaudit.data import read_yaml, rules_root
from perfaudit.rules import load_rules
from perfaudit.rules.loader import CATEGORIES
from perfaudit.rules.markers import marked_confidences, marked_lines

RULES = load_rules([rules_root()])
OF_PROJECTS = range(90, 100)

every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())


@every_rule
def test_a_name_has_two_to_five_words(rule: Rule) -> None:
    assert 2 <= len(rule.name.split("-")) <= 5


@every_rule
def test_innocent_code_outnumbers_guilty_code(rule: Rule) -> None:
    loud = [
        case.name
        for case in rule.cases
        if len(marked_lines(case.files))
        > list(marked_confidences(case.files).values()).count("medium")
    ]
    quiet = [case.name for case in rule.cases if not marked_lines(case.files)]
    quiet_cases = [case.name for case in rule.cases if not case.shown and case.name in quiet]

    assert loud, "an example shows what is reported"
    assert len(quiet_cases) >= 2
    assert len(quiet) > len(loud)


@every_rule
def test_what_a_rule_folds_into_is_a_rule(rule: Rule) -> None:
    assert set(rule.folds_into) <= RULES.keys() - {rule.name}


@every_rule
def test_the_last_ids_of_a_category_are_left_to_projects(rule: Rule) -> None:
    assert int(rule.id[3:]) not in OF_PROJECTS


def test_every_detector_serves_a_rule() -> None:
    named = {rule.detector for rule in RULES.values()} | {"effect_within"}

    assert detectors() - named == set()


def test_the_categories_are_those_of_the_score() -> None:
    table = read_yaml(rules_root() / "scoring.yaml").mapping()["categories"].plain()

    assert {each["id"]: str(each["digit"]) for each in table} == CATEGORIES


def detectors() -> set[str]:
    """Return the modules of perfaudit.detectors that define ``detect``."""
    return {
        path.stem
        for path in Path(str(perfaudit.detectors.__file__)).parent.glob("*.py")
        if any(
            isinstance(node, ast.FunctionDef) and node.name == "detect"
            for node in ast.parse(path.read_text("utf-8")).body
        )
    }
