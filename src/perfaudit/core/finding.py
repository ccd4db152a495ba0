"""One reported place, and the values it is made of."""

from dataclasses import dataclass, field
from typing import Any

from perfaudit.core.levels import Confidence, Effort, Role, Severity
from perfaudit.core.location import Location


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One step of the proof, from the entry point towards the place that costs."""

    location: Location
    message: str


@dataclass(frozen=True, slots=True)
class Match:
    """What a detector found: a place, its proof, and the words of the rule's message.

    ``confidence`` and ``severity`` lower those of the rule; they never raise them.
    ``exposure`` says from where the place is reached: "endpoint", "task", "startup", "command",
    "script" or "unknown". ``rule`` is the name of the rule that it belongs to, where several rules
    share the detector.
    """

    location: Location
    words: dict[str, str] = field(default_factory=dict)
    trace: tuple[TraceStep, ...] = ()
    confidence: Confidence = Confidence.HIGH
    severity: Severity | None = None
    function: str = ""
    endpoint: str = ""
    exposure: str = "unknown"
    cost: str = ""
    role: Role = Role.PRODUCTION
    fix: str = ""
    rule: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A match judged by its rule: everything that a report says about one place."""

    rule: str
    name: str
    category: str
    severity: Severity
    confidence: Confidence
    location: Location
    message: str
    function: str
    endpoint: str
    trace: tuple[TraceStep, ...]
    cost: str
    effort: Effort
    fix: str
    fingerprint: str
    role: Role
    exposure: str
    words: dict[str, str]
    snippet: str = ""
    suppressed: str | None = None

    def sort_key(self) -> tuple[Any, ...]:
        """Return the order of findings in every report: worst first, then by place."""
        return (self.severity.rank, self.confidence.rank, self.rule, self.location, self.message)
