"""The whole result of one audit: what every reporter renders."""

from dataclasses import dataclass, field

from perfaudit.core.finding import Finding, TraceStep
from perfaudit.core.location import Location
from perfaudit.core.problem import Problem


@dataclass(frozen=True, slots=True)
class ProjectSummary:
    """What was read."""

    root: str
    files: int
    lines: int
    entry_points: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much was understood.

    ``unresolved`` counts unresolved calls by reason, ``kinds`` the resolved ones by what they run.
    ``chains_truncated`` counts call chains cut by a bound. ``unresolved_names`` and ``undescribed``
    are what could be described next: the names called most among the unresolved, and the packages
    and names that no library file describes.
    """

    calls: int
    resolved: int
    files_skipped: tuple[Problem, ...] = ()
    chains_truncated: int = 0
    unresolved: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, int] = field(default_factory=dict)
    unresolved_names: dict[str, int] = field(default_factory=dict)
    undescribed: dict[str, int] = field(default_factory=dict)

    @property
    def share(self) -> float | None:
        """Return the resolved share of calls between 0 and 1, or None where there was no call."""
        return self.resolved / self.calls if self.calls else None


@dataclass(frozen=True, slots=True)
class Opportunity:
    """One thing that a rule judged, sound or not: a query site, an endpoint, a pool, the project.

    ``exposure`` says from where it is reached, as in ``Match``. ``rule`` is the name of the rule
    that judged it, where only one of those that share the detector did.
    """

    location: Location
    exposure: str = "unknown"
    rule: str = ""


@dataclass(frozen=True, slots=True)
class CostTerm:
    """One term of an endpoint's queries: how many, for each of what, and through which calls.

    ``text`` is the term as in the formula. ``effect``: read or write. ``traces`` lead from the
    endpoint to the places that cost, at most a few of them.
    """

    text: str
    effect: str
    traces: tuple[tuple[TraceStep, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class EndpointCard:
    """What one endpoint costs per request.

    ``queries`` are ``reads`` and ``writes`` together; ``terms`` are there if they were asked for.
    """

    method: str
    path: str
    handler: str
    location: Location
    queries: str
    degree: int
    http_calls: str
    blocking: tuple[str, ...]
    cached: bool
    dispatch: str
    resolved: float
    reads: str = ""
    writes: str = ""
    terms: tuple[CostTerm, ...] = ()


@dataclass(frozen=True, slots=True)
class Inventory:
    """Counted facts of the code base."""

    async_functions: int = 0
    gather_sites: int = 0
    indexes: int = 0
    tables: int = 0
    select_statements: int = 0
    cache_sites: int = 0
    pools: int = 0
    endpoints: int = 0


@dataclass(frozen=True, slots=True)
class CategoryScore:
    """The score of one category, or None where there was nothing to inspect.

    ``lost`` names the fingerprints of the findings that cost points, dearest first; ``cap`` says
    which cap bit, if any.
    """

    id: str
    title: str
    weight: float
    score: float | None
    weighted: float
    inspected: int
    failing: int
    cap: str = ""
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Improvement:
    """What mending some findings would do to the grade.

    ``category`` is empty where they are of several; ``before`` and ``after`` are then overall.
    ``rules`` are the names of the rules that found them; some findings may not be in the report.
    """

    fingerprints: tuple[str, ...]
    category: str
    before: float
    after: float
    overall_before: float
    overall_after: float
    grade_before: str
    grade_after: str
    rules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The grade of the whole. ``overall`` is None where it is withheld; ``withheld`` then says why.

    ``improvements`` are the best single groups of findings to mend, ``together`` is all of them.
    """

    overall: float | None
    grade: str | None
    categories: tuple[CategoryScore, ...]
    withheld: str = ""
    improvements: tuple[Improvement, ...] = ()
    together: Improvement | None = None


@dataclass(frozen=True, slots=True)
class Strength:
    """Something sound that was inspected: a sentence and how often."""

    category: str
    text: str
    count: int


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one audit says."""

    version: str
    project: ProjectSummary
    coverage: Coverage
    findings: tuple[Finding, ...]
    suppressed: tuple[Finding, ...]
    endpoints: tuple[EndpointCard, ...]
    scorecard: Scorecard
    inventory: Inventory
    problems: tuple[Problem, ...]
    strengths: tuple[Strength, ...] = ()
