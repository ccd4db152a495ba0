"""The ordered scales of a finding: how bad, how sure, how dear to mend, in what kind of code."""

from enum import StrEnum
from functools import cached_property
from typing import Self


class _Scale(StrEnum):
    """A string enumeration whose members are declared from the strongest to the weakest."""

    @cached_property
    def rank(self) -> int:
        """Return 0 for the strongest member, 1 for the next, and so on."""
        return list(type(self)).index(self)

    def at_least(self, other: Self) -> bool:
        """Return whether this member is as strong as the other, or stronger."""
        return self.rank <= other.rank


class Severity(_Scale):
    """How bad a finding is when it is true."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    ADVICE = "advice"


class Confidence(_Scale):
    """How surely a finding is true, by how the names of its chain were resolved."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


def weakest(*levels: Confidence) -> Confidence:
    """Return the weakest of some confidences: a chain is as sure as its least sure step."""
    return max(levels, key=lambda level: level.rank)


class Effort(_Scale):
    """How long the remedy takes, longest first: weeks, a week, days, hours, minutes."""

    XL = "XL"
    L = "L"
    M = "M"
    S = "S"
    XS = "XS"


class Role(StrEnum):
    """What a file is for. Only production and commands are reported unless asked."""

    PRODUCTION = "production"
    TEST = "test"
    MIGRATION = "migration"
    SCRIPT = "script"
    COMMAND = "command"
    EXAMPLE = "example"
