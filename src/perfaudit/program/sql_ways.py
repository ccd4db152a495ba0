"""What holds where a place is reached: what the texts of one run have in common."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.expressions import children, is_dotted
from perfaudit.program.names import PLAIN_BLOCKS, Meaning
from perfaudit.program.nodes import ClassNode, FunctionNode, remembered
from perfaudit.program.sql_choices import NOTHING, Facts
from perfaudit.program.written_out import Spot

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

Given = Mapping[tuple[FunctionNode, str], Spot]
"""What parameters are given by the call that is looked into."""
MAX_GIVEN = 6
_UNKNOWN: Hashable = "unknown"
"""Stands for what decides a choice where that is not known."""


@remembered
def outcomes(function: FunctionNode, context: int) -> Facts:
    """Return what the tests around a place say where it is reached."""
    contexts = function.facts.contexts
    found: dict[Hashable, object] = {}
    for number in function.context_chain(context):
        block = contexts[number]
        if block.kind in ("if", "else") and block.subject is not None:
            found[function, block.subject] = block.kind == "if"
        elif block.kind not in PLAIN_BLOCKS:
            found[function, number] = True
    return found


def of_places(
    function: FunctionNode, places: Sequence[tuple[int, int]], known: Facts
) -> list[Facts]:
    """Return what holds where each of some places (sequence, context) is the last one reached.

    Those behind it are not reached then.
    """
    own = [outcomes(function, context) for _, context in places]
    found: list[Facts] = []
    for (sequence, _), reached in zip(places, own, strict=True):
        holds = dict(reached)
        for (other, _), said in zip(places, own, strict=True):
            open_ones = [item for item in said.items() if item not in {**known, **holds}.items()]
            if other > sequence and len(open_ones) == 1:
                asked, truth = open_ones[0]
                holds.setdefault(asked, not truth)
        found.append(holds)
    return found


def of_meanings(found: Sequence[Meaning], known: Facts) -> list[Facts]:
    """Return what holds where each of some binds is the one that a name has."""
    holds: list[Facts] = [NOTHING] * len(found)
    for scope in dict.fromkeys(item.scope for item in found):
        own = [
            (number, (bind.sequence, bind.context))
            for number, (owner, bind) in enumerate(found)
            if owner is scope and isinstance(bind, t.Bind)
        ]
        said = of_places(scope, [place for _, place in own], known)
        for (number, _), facts in zip(own, said, strict=True):
            holds[number] = facts
    return holds


def standing(found: Sequence[Meaning], known: Facts) -> list[Meaning]:
    """Return the binds of a name without those that others replace which are surely reached."""
    if not known or len(found) == 1:
        return list(found)
    sure = [
        (scope, bind.sequence)
        for scope, bind in found
        if isinstance(bind, t.Bind)
        and (said := outcomes(scope, bind.context))
        and said.items() <= known.items()
    ]
    return [
        item
        for item in found
        if not isinstance(item.definition, t.Bind)
        or not any(
            scope is item.scope and item.definition.sequence < sequence for scope, sequence in sure
        )
    ]


def asked(options: Iterable[Facts], known: Facts, given: Given) -> frozenset[Hashable]:
    """Return what decides which of some options is the one, as far as it is still open."""
    found: set[Hashable] = set()
    for holds in options:
        for key in holds:
            if key not in known and isinstance(key, tuple):
                function, value = key[:2]
                found |= {_UNKNOWN} if isinstance(value, int) else roots(function, value, given)
    return frozenset(found)


def roots(
    function: FunctionNode, value: t.Expr, given: Given, steps: int = MAX_GIVEN
) -> set[Hashable]:
    """Return the names that an expression is worked out from, those of callers for parameters."""
    found: set[Hashable] = set()
    if is_dotted(value) and not isinstance(value, t.Name):
        first: t.Expr = value
        while isinstance(first, t.Attr):
            first = first.base
        if isinstance(first, t.Name) and (function, first.id) not in given:
            return {(function, value)}
    if isinstance(value, t.Name):
        spot = given.get((function, value.id))
        if spot is None or steps <= 0:
            return {(function, value)}
        return roots(spot.function, spot.value, given, steps - 1)
    for part in children(function, value):
        found |= roots(function, part, given, steps)
    return found


def origin(function: FunctionNode, value: t.Expr, given: Given) -> tuple[FunctionNode, t.Expr]:
    """Return an expression, or what the call that is looked into gives in its place."""
    for _ in range(MAX_GIVEN):
        spot = given.get((function, value.id)) if isinstance(value, t.Name) else None
        if spot is None:
            break
        function, value = spot.function, spot.value
    return function, value


def owners(types: "Types", node: ClassNode, name: str, known: Facts) -> list[ClassNode]:
    """Return the classes whose attribute an object of a class may have, its own one last.

    Only those that fit the attributes of it that are chosen so far.
    """
    below = types.classes.subclasses(node)
    found = dict.fromkeys(
        owner
        for each in below
        if _fits(types, each, known) and (owner := _owner(types, each, name)) is not None
    )
    own = _owner(types, node, name)
    if own is not None and (own in found or _fits(types, node, known)):
        found.pop(own, None)
        found[own] = None
    return list(found)


def _fits(types: "Types", node: ClassNode, known: Facts) -> bool:
    order = types.classes.project_order(node)
    return all(
        _owner(types, node, name) is owner for above, name, owner in _owned(known) if above in order
    )


def _owned(known: Facts) -> Iterator[tuple[ClassNode, str, object]]:
    for key, owner in known.items():
        if isinstance(key, tuple) and isinstance(key[0], ClassNode):
            yield key[0], key[1], owner


def _owner(types: "Types", node: ClassNode, name: str) -> ClassNode | None:
    order = types.classes.project_order(node)
    return next(
        (each for each in order if name in each.body.binds or name in each.body.inner), None
    )
