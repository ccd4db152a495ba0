"""The table of weights, grades and caps, read from ``rules/scoring.yaml``."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import yaml

from perfaudit.core.errors import DataError
from perfaudit.core.finding import Finding
from perfaudit.core.levels import Confidence, Role, Severity

EXPOSURES = ("endpoint", "task", "startup", "command", "script", "unknown", "unreached", "test")
SECTIONS = (
    "categories",
    "grades",
    "severity",
    "confidence",
    "exposure",
    "unscored_roles",
    "caps",
    "coverage",
)


@dataclass(frozen=True, slots=True)
class Category:
    """One category of the report. ``id`` is its rules' folder, ``digit`` the first of their ids."""

    id: str
    title: str
    digit: int
    weight: float


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that a category can score with a finding this bad, this sure and reached from there.

    An empty exposure is any.
    """

    severity: Severity
    confidence: Confidence
    exposure: str
    score: float

    def holds(self, finding: Finding) -> bool:
        """Return whether the finding holds its category at this cap."""
        return (
            finding.severity.at_least(self.severity)
            and finding.confidence.at_least(self.confidence)
            and self.exposure in ("", finding.exposure)
        )

    def __str__(self) -> str:
        places = {"": "", "endpoint": " on an endpoint", "startup": " at start-up", "unknown": ""}
        place = places.get(self.exposure, f" in a {self.exposure}")
        return (
            f"at most {self.score:g}: a {self.severity} finding"
            f" of {self.confidence} confidence{place}"
        )


@dataclass(frozen=True, slots=True)
class ScoringTable:
    """All the numbers of the score. ``grades`` is ordered from the best letter to the worst."""

    categories: tuple[Category, ...]
    grades: tuple[tuple[str, float], ...]
    severity: dict[Severity, float]
    confidence: dict[Confidence, float]
    exposure: dict[str, float]
    unscored_roles: frozenset[Role]
    caps: tuple[Cap, ...]
    minimum_share: float
    minimum_calls: int

    def loss(self, finding: Finding) -> float:
        """Return the share of an inspected thing that the finding spoils, from 0 to 1."""
        if finding.role in self.unscored_roles:
            return 0.0
        return self.severity[finding.severity] * self.confidence[finding.confidence]

    def weight_of(self, exposure: str) -> float:
        """Return how much a thing counts that is reached from there."""
        return self.exposure.get(exposure, self.exposure["unknown"])


def load_weights(path: Path) -> ScoringTable:
    """Return the table of a scoring file, or raise ``DataError`` with the line of a fault."""
    try:
        root = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise DataError(str(path), 1, f"cannot be read: {error.strerror}.") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DataError(str(path), line, f"is not YAML: {error.problem}.") from error
    if root is None:
        raise DataError(str(path), 1, f"is empty; it needs {_listed(SECTIONS)}.")

    return _Reader(str(path)).table(root)


@dataclass(frozen=True, slots=True)
class _Reader:
    """The nodes of one scoring file, turned into values; a fault raises with the node's line."""

    path: str

    def table(self, root: yaml.Node) -> ScoringTable:
        sections = self.mapping(root, SECTIONS)
        coverage = self.mapping(sections["coverage"], ("minimum_share", "minimum_calls"))

        return ScoringTable(
            categories=self.categories(sections["categories"]),
            grades=self.grades(sections["grades"]),
            severity={
                Severity(name): self.share(node)
                for name, node in self.mapping(sections["severity"], list(Severity)).items()
            },
            confidence={
                Confidence(name): self.share(node)
                for name, node in self.mapping(sections["confidence"], list(Confidence)).items()
            },
            exposure={
                name: self.share(node)
                for name, node in self.mapping(sections["exposure"], EXPOSURES).items()
            },
            unscored_roles=frozenset(
                Role(self.one_of(node, list(Role)))
                for node in self.items(sections["unscored_roles"])
            ),
            caps=tuple(self.cap(node) for node in self.items(sections["caps"])),
            minimum_share=self.share(coverage["minimum_share"]),
            minimum_calls=int(self.number(coverage["minimum_calls"])),
        )

    def categories(self, node: yaml.Node) -> tuple[Category, ...]:
        found = tuple(self.category(item) for item in self.items(node))
        if len({each.id for each in found}) < len(found):
            self.fail(node, "a category stands twice; give each its own id.")
        total = sum(each.weight for each in found)
        if abs(total - 100) > 1e-9:
            self.fail(node, f"the weights of the categories add up to {total:g}, not to 100.")
        return found

    def category(self, node: yaml.Node) -> Category:
        parts = self.mapping(node, ("id", "title", "digit", "weight"))
        return Category(
            self.text(parts["id"]),
            self.text(parts["title"]),
            int(self.number(parts["digit"])),
            self.number(parts["weight"]),
        )

    def grades(self, node: yaml.Node) -> tuple[tuple[str, float], ...]:
        bounds = [(name, self.number(value)) for name, value in self.pairs(node)]
        ordered = sorted(bounds, key=lambda grade: -grade[1])
        if not ordered or ordered[-1][1] != 0:
            self.fail(node, "no grade starts at 0; give the worst letter the bound 0.")
        return tuple(ordered)

    def cap(self, node: yaml.Node) -> Cap:
        parts = self.mapping(node, ("severity", "confidence", "cap"), optional=("exposure",))
        exposure = self.one_of(parts["exposure"], EXPOSURES) if "exposure" in parts else ""
        return Cap(
            Severity(self.one_of(parts["severity"], list(Severity))),
            Confidence(self.one_of(parts["confidence"], list(Confidence))),
            exposure,
            self.number(parts["cap"]),
        )

    def mapping(
        self, node: yaml.Node, keys: tuple[str, ...] | list[str], optional: tuple[str, ...] = ()
    ) -> dict[str, yaml.Node]:
        found = dict(self.pairs(node, known=(*keys, *optional)))
        missing = [key for key in keys if key not in found]
        if missing:
            self.fail(node, f"{_listed(missing)} is missing; add it.")
        return found

    def pairs(
        self, node: yaml.Node, known: tuple[str, ...] = ()
    ) -> Iterator[tuple[str, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            self.fail(node, "a mapping of names to values belongs here.")
        seen: set[str] = set()
        for key, value in node.value:
            name = self.one_of(key, known) if known else self.text(key)
            if name in seen:
                self.fail(key, f'"{name}" stands twice; remove one.')
            seen.add(name)
            yield name, value

    def items(self, node: yaml.Node) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            self.fail(node, "a list belongs here.")
        return list(node.value)

    def text(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            self.fail(node, "a word belongs here.")
        return str(node.value)

    def one_of(self, node: yaml.Node, known: tuple[str, ...] | list[str]) -> str:
        word = self.text(node)
        if word not in known:
            self.fail(node, f'"{word}" is not one of {_listed(known)}.')
        return word

    def number(self, node: yaml.Node) -> float:
        try:
            value = float(self.text(node))
        except ValueError:
            self.fail(node, f'"{self.text(node)}" is not a number.')
        if not 0 <= value <= 1000:
            self.fail(node, f"{value:g} is out of range; give a number from 0.")
        return value

    def share(self, node: yaml.Node) -> float:
        value = self.number(node)
        if value > 1:
            self.fail(node, f"{value:g} is not a share; give a number from 0 to 1.")
        return value

    def fail(self, node: yaml.Node, message: str) -> NoReturn:
        raise DataError(self.path, node.start_mark.line + 1, message)


def _listed(words: tuple[str, ...] | list[str]) -> str:
    return ", ".join(str(word) for word in words)
