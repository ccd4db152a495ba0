"""What a rule file says, once loaded."""

from dataclasses import dataclass, field

from perfaudit.core.levels import Confidence, Effort, Severity


@dataclass(frozen=True, slots=True)
class Case:
    """Code that proves a rule.

    Each line that ends in ``# finding`` must be reported, and no other.
    """

    name: str
    files: dict[str, str]
    shown: bool = False


@dataclass(frozen=True, slots=True)
class Rule:
    """What we report and why. ``detector`` names a module of ``perfaudit.detectors``.

    ``offline``: the most that a finding can have where no request or task is surely seen to lead;
    ``in_tasks``: the same where only tasks are.
    ``folds_into`` names rules: where one of them has a finding about the same place of the same
    function, that is told, and has the advice of both.
    """

    id: str
    name: str
    category: str
    summary: str
    message: str
    severity: Severity
    confidence: Confidence
    effort: Effort
    since: str
    detector: str
    why: str
    fix: str
    impact: dict[str, str] = field(default_factory=dict)
    cases: tuple[Case, ...] = ()
    path: str = ""
    line: int = 1
    options: dict[str, object] = field(default_factory=dict)
    offline: Confidence = Confidence.HIGH
    in_tasks: Confidence = Confidence.HIGH
    folds_into: tuple[str, ...] = ()
