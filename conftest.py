"""Collect the files below rules/ as tests: the cases of rules, and the examples of libraries.

``pytest rules/async/blocking-call-in-async.yaml`` runs one rule, and ``-k`` one case of it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

RULES = Path(__file__).parent / "rules"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix != ".yaml" or file_path.parent.parent != RULES:
        return None
    kind = LibraryFile if file_path.parent.name == "libraries" else RuleFile
    return kind.from_parent(parent, path=file_path)


class RuleFile(pytest.File):
    """A rule; its items are its cases."""

    def collect(self) -> Iterator[pytest.Item]:
        # Imported here, so that other tests neither wait for the whole audit nor fail with it.
        from perfaudit.core.errors import DataError
        from perfaudit.rules.harness import run_case
        from perfaudit.rules.loader import load_rule

        try:
            rule = load_rule(self.path)
        except DataError as fault:
            raise self.CollectError(str(fault)) from fault
        for case in rule.cases:
            yield Claim.from_parent(
                self, name=case.name, prove=lambda case=case: run_case(rule, case).failure
            )


class LibraryFile(pytest.File):
    """A library; its items are its examples."""

    def collect(self) -> Iterator[pytest.Item]:
        from perfaudit.core.errors import DataError
        from perfaudit.libraries.loader import load_library
        from perfaudit.rules.harness import run_example

        try:
            library = load_library(self.path)
        except DataError as fault:
            raise self.CollectError(str(fault)) from fault
        for number, example in enumerate(library.examples, start=1):
            yield Claim.from_parent(
                self,
                name=example["name"] or f"example {number}",
                prove=lambda example=example, number=number: (
                    run_example(library, example, number).failure
                ),
            )


class Claim(pytest.Item):
    """Something that a file of rules/ says of some code."""

    def __init__(self, *, prove: Callable[[], str], **given: object) -> None:
        super().__init__(**given)
        self.prove = prove

    def runtest(self) -> None:
        failure = self.prove()
        if failure:
            raise ClaimFailed(failure)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> str:
        if isinstance(excinfo.value, ClaimFailed):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{self.path.name}: {self.name}"


class ClaimFailed(Exception):
    """The code does not do what the file says."""
