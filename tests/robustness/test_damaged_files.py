"""Whatever files hold, the audit ends, no detector fails, and what cannot be used is a problem."""

import ast
import dataclasses
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from perfaudit.audit import AuditResult, audit, program_of
from perfaudit.config import Settings
from perfaudit.core.problem import Problem
from perfaudit.data import rules_root
from perfaudit.extraction import extract
from perfaudit.program.cards import endpoint_cards
from perfaudit.program.explain import describe
from perfaudit.reporters import FORMATS
from perfaudit.reporters.options import RenderOptions
from perfaudit.rules import load_rules
from perfaudit.rules.engine import judge

from .damage import DAMAGES, Damage, nest_deeply, rearrange

PROJECT = Path(__file__).parents[2]
LIBRARY = Path(dataclasses.__file__).parent
STANDARD = (
    "asyncio/queues.py",
    "asyncio/tasks.py",
    "concurrent/futures/thread.py",
    "contextlib.py",
    "dataclasses.py",
    "enum.py",
    "functools.py",
    "http/client.py",
    "json/decoder.py",
    "sqlite3/dump.py",
    "string.py",
    "tokenize.py",
)
TOPICS = ("callgraph", "types", "effects", "schema", "queries")
SEEDS = range(6)


def originals() -> Iterator[tuple[str, bytes]]:
    """Yield the files that are damaged: our own, those of the fixtures, some of Python."""
    for folder in ("src/perfaudit/program", "src/perfaudit/facts", "fixtures"):
        for file in sorted((PROJECT / folder).rglob("*.py")):
            yield file.relative_to(PROJECT).as_posix(), file.read_bytes()
    for name in STANDARD:
        yield f"standard/{name}", (LIBRARY / name).read_bytes()


def is_usable(name: str, data: bytes) -> bool:
    return extract(name, data).facts is not None


def audited(root: Path) -> AuditResult:
    (root / ".git").mkdir(exist_ok=True)
    return audit(root, [root], Settings(cache=False, jobs=1))


def internal(result: AuditResult) -> list[Problem]:
    return [problem for problem in result.report.problems if problem.kind == "internal"]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_files_end_no_audit(tmp_path: Path, damage: Damage) -> None:
    unusable = set()
    for number, (name, data) in enumerate(originals()):
        damaged = damage(data, random.Random(number))
        place = tmp_path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(damaged)
        if not is_usable(name, damaged):
            unusable.add(name)

    result = audited(tmp_path)

    assert internal(result) == []
    assert {problem.path for problem in result.report.problems} == unusable
    for form in FORMATS:
        rendered = rendered_as(form, result)
        shown = SHOWN[form]
        assert [path for path in sorted(unusable) if shown(path) not in rendered] == []


def rendered_as(form: str, result: AuditResult) -> str:
    return FORMATS[form](result.report, result.rules, RenderOptions(verbose=True, width=300))


SHOWN: dict[str, Callable[[str], str]] = {
    "terminal": "{}:".format,
    "json": '"path": "{}"'.format,
    "sarif": '"uri":"{}"'.format,
    "markdown": "- `{}:".format,
}
"""How the path of a problem is written in each format."""


def fixture_trees() -> dict[str, dict[str, str]]:
    return {
        folder.name: {
            file.relative_to(folder).as_posix(): file.read_text("utf-8")
            for file in sorted(folder.rglob("*"))
            if file.suffix in (".py", ".sql", ".html", ".yml")
        }
        for folder in sorted((PROJECT / "fixtures").iterdir())
    }


def case_trees() -> dict[str, dict[str, str]]:
    return {
        f"{name}: {case.name}": dict(case.files)
        for name, rule in load_rules([rules_root()]).items()
        for case in rule.cases
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_no_arrangement_of_valid_code_makes_a_detector_fail(seed: int) -> None:
    rules = load_rules([rules_root()])
    trees = [*fixture_trees().items(), *list(case_trees().items())[seed :: len(SEEDS)]]
    for name, tree in trees:
        program = program_of(rearranged(tree, random.Random(f"{seed} {name}")))
        judge(program, rules, read_line=lambda path, line: "", suppressions={}, strict=True)
        endpoint_cards(program)
        for topic in TOPICS:
            describe(program, topic, "")


def rearranged(tree: dict[str, str], chance: random.Random) -> dict[str, str]:
    """Return a project with most of its Python rearranged, all of it still valid."""
    changed = {}
    for path, text in tree.items():
        changed[path] = text
        if path.endswith(".py") and text.strip() and chance.random() < 0.8:
            damage = rearrange if chance.random() < 0.85 else nest_deeply
            other = damage(text.encode(), chance)
            if is_usable(path, other):
                changed[path] = other.decode()
    return changed


def test_rearranged_code_is_other_code_and_mostly_valid() -> None:
    texts = [
        text
        for tree in fixture_trees().values()
        for path, text in tree.items()
        if path.endswith(".py") and text.strip()
    ]
    others = [rearrange(text.encode(), random.Random(number)) for number, text in enumerate(texts)]

    assert sum(is_usable("a.py", other) for other in others) > len(others) * 0.9
    assert (
        sum(
            ast.dump(ast.parse(text)) != ast.dump(ast.parse(other))
            for text, other in zip(texts, others, strict=True)
            if is_usable("a.py", other)
        )
        > len(others) * 0.5
    )


def test_a_mark_at_the_start_of_a_file_does_not_shift_its_first_line(tmp_path: Path) -> None:
    code = (
        "import time; import asyncio; fetch = lambda: time.sleep(1)\nasync def f(): time.sleep(1)"
    )
    (tmp_path / "with_mark.py").write_bytes(b"\xef\xbb\xbf" + code.encode())
    (tmp_path / "without.py").write_bytes(code.encode())
    findings = audited(tmp_path).report.findings

    assert {finding.location.path for finding in findings} == {"with_mark.py", "without.py"}
    for finding in findings:
        line = finding.location.line
        assert finding.snippet == code.split("\n")[line - 1]
