"""Tests of an object for whether a relation of it was loaded: what is read then costs no query."""

import ast
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from perfaudit.core.levels import Confidence, weakest
from perfaudit.facts import types as t
from perfaudit.libraries.types import EntityQueries
from perfaudit.program.asking_words import ALL, MEMBERSHIP, may_ask, resolved
from perfaudit.program.expressions import argument_for
from perfaudit.program.loads import relation_base
from perfaudit.program.names import AT_END
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.questions import GETATTR, HASATTR
from perfaudit.program.sites import Edge, Site
from perfaudit.program.tables import Relation
from perfaudit.program.values import Instance, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types
    from perfaudit.program.schema import Schema

Place = TypeVar("Place", Site, Edge)
MAX_STEPS = 1
"""How many functions are followed that do no more than ask."""
LEAVING = frozenset({"return", "raise"})


class Asked(Struct, frozen=True):
    """A relation of a row that a test asks for, in the words of a library.

    ``row`` and ``relation`` are expressions of the function that asks, at a place of it.
    """

    row: t.Expr
    relation: t.Expr
    words: EntityQueries
    at: tuple[int, int]

    @property
    def name(self) -> str:
        """Return the name of the relation, empty where it is not written out."""
        match self.relation:
            case t.Const(value=str() as name) | t.Attr(name=name):
                return name
        return ""


class _Known(Struct, frozen=True):
    """What a place knows: of which relations of rows, and whether they are loaded there.

    ``is_each``: that is said of each item of what the test itself walks.
    """

    row: t.Expr
    relation: Relation
    is_loaded: bool
    is_each: bool


class LoadedTests:
    """The tests of one function for what was loaded, and what they say of its places."""

    def __init__(self, types: "Types", schema: "Schema", function: FunctionNode) -> None:
        self._types = types
        self._schema = schema
        self._function = function
        self._blocks = {
            number: (self._said(block, holds=True), self._said(block, holds=False))
            for number, block in enumerate(function.facts.contexts)
            if block.kind in ("if", "else", "and", "or")
            and block.subject is not None
            and may_ask(types, function, block.subject)
        }
        self._asks = any(any(said) for said in self._blocks.values())

    def sites(self, sites: Iterable[Site]) -> Iterator[Site]:
        """Yield the sites that cost something: not reads of what is there by then.

        What is asked where a relation is not loaded is spared by loading it.
        """
        for site in sites:
            known = self._known_at(site.context, site.sequence) if self._asks else ()
            if not known or "db.query" not in site.effects:
                yield site
            elif site.relation is None:
                yield _spared(site, known)
            elif not self._is_there(site, known):
                yield _less_sure(site) if any(not each.is_loaded for each in known) else site

    def edges(self, edges: Iterable[Edge]) -> Iterator[Edge]:
        """Yield the edges, less sure where they are run only where something is not loaded."""
        for edge in edges:
            known = self._known_at(edge.context, edge.sequence) if self._asks else ()
            yield _less_sure(edge) if any(not each.is_loaded for each in known) else edge

    def _is_there(self, site: Site, known: Sequence[_Known]) -> bool:
        base = relation_base(self._function, site)
        return any(
            each.is_loaded and each.relation == site.relation and each.row == base for each in known
        )

    def _known_at(self, context: int, sequence: int) -> tuple[_Known, ...]:
        """Return what the blocks around a place say, and the clauses that leave before it."""
        chain = self._function.context_chain(context)
        found: list[_Known] = []
        for step in chain:
            if step in self._blocks:
                found += self._blocks[step][0]
        for exit_ in self._function.facts.exits:
            if exit_.sequence < sequence and exit_.kind in LEAVING:
                found += self._after(exit_, chain)
        return tuple(found)

    def _after(self, exit_: t.Exit, chain: Sequence[int]) -> list[_Known]:
        """Return what holds behind a clause that leaves, whose tests do not all hold then."""
        found: list[_Known] = []
        tests = 0
        for step in self._function.context_chain(exit_.context):
            if step in chain:
                break
            said = self._blocks[step][1] if step in self._blocks else ()
            if not said:
                return []
            tests += 1
            found += said
        return found if tests == 1 else [each for each in found if not each.is_loaded]

    def _said(self, block: t.Context, *, holds: bool) -> tuple[_Known, ...]:
        """Return what is known in a block, or where it is not run."""
        if block.subject is None:
            return ()
        is_so = holds is (block.kind in ("if", "and"))
        at = (block.sequence, block.parent)
        asking = _Asking(self._types, self._function, at)
        sides = ((True, asking.loaded), (False, asking.missing))
        return tuple(
            _Known(asked.row, relation, is_loaded, asked.at != at)
            for is_loaded, ask in sides
            for asked in ask(block.subject, holds=is_so)
            if (relation := self._relation(asked)) is not None
        )

    def _relation(self, asked: Asked) -> Relation | None:
        """Return the relation that is asked for, of a row of the library in whose words it is."""
        types = self._types
        for option in options_of(types.evaluate(self._function, asked.row, asked.at)):
            if isinstance(option, Instance):
                bases = types.classes.library_bases(option.node)
                if any(types.libraries.queries(base) == asked.words for base in bases):
                    return self._schema.relation(option.node, asked.name)
        return None


def row_of_container(types: "Types", function: FunctionNode, value: t.Expr) -> t.Expr | None:
    """Return the row of which an expression is what holds the relations that were loaded."""
    asking = _Asking(types, function, AT_END)
    for pattern, _, is_loaded in _patterns(types):
        if is_loaded and isinstance(value, t.Attr) and isinstance(pattern, ast.Compare):
            found: dict[str, t.Expr] = {}
            if asking.fits(pattern.comparators[0], value, found):
                return found.get("row")
    return None


def _spared(site: Site, known: Sequence[_Known]) -> Site:
    """Return a query, marked with the relation without which alone it is asked."""
    missing = [each for each in known if not each.is_loaded]
    if not missing or site.effects != ("db.query",):
        return site
    first = next((each for each in missing if not each.is_each), None)
    if first is None:
        return _less_sure(site)
    return replace(_less_sure(site), relation=first.relation, row=first.row)


def _less_sure(place: Place) -> Place:
    return replace(place, confidence=weakest(place.confidence, Confidence.MEDIUM))


class _Asking:
    """What tests of one function ask for, at a place of it."""

    def __init__(
        self,
        types: "Types",
        function: FunctionNode,
        at: tuple[int, int],
        steps: int = MAX_STEPS,
    ) -> None:
        self._types = types
        self._function = function
        self._at = at
        self._steps = steps

    def loaded(self, test: t.Expr, *, holds: bool) -> list[Asked]:
        """Return what is surely loaded where a test holds, or does not."""
        match test:
            case t.Not(value=inner):
                return self.loaded(inner, holds=not holds)
            case t.Either(kind="and" | "or" as kind, options=options):
                each = [self.loaded(part, holds=holds) for part in options]
                if (kind == "and") is holds:
                    return [asked for found in each for asked in found]
                return [asked for asked in each[0] if all(asked in found for found in each[1:])]
        return [asked for asked, is_so in self._atoms(test, holds=holds) if is_so is holds]

    def missing(self, test: t.Expr, *, holds: bool) -> list[Asked]:
        """Return relations of which one is surely not loaded where a test holds, or does not."""
        match test:
            case t.Not(value=inner):
                return self.missing(inner, holds=not holds)
            case t.Either(kind="and" | "or" as kind, options=options):
                each = [
                    self.missing(part, holds=holds)
                    for part in options
                    if not self._is_of_container(part)
                ]
                if (kind == "and") is holds or all(each):
                    return [asked for found in each for asked in found]
                return []
        return [asked for asked, is_so in self._atoms(test, holds=holds) if is_so is not holds]

    def _atoms(self, test: t.Expr, *, holds: bool) -> Iterator[tuple[Asked, bool]]:
        """Yield what a test asks for, and whether that is loaded where the test is true."""
        if not isinstance(test, t.CallRef | t.Name) and not (
            isinstance(test, t.Compare) and test.operator in MEMBERSHIP
        ):
            return
        for pattern, words, is_loaded in _patterns(self._types):
            found: dict[str, t.Expr] = {}
            if isinstance(test, t.Compare) is not isinstance(pattern, ast.Compare):
                continue
            if self.fits(pattern, test, found):
                is_so = is_loaded is not (isinstance(test, t.Compare) and test.operator == "NotIn")
                yield Asked(found["row"], found["relation"], words, self._at), is_so
        if isinstance(test, t.CallRef) and self._steps:
            call = self._function.facts.calls[test.index]
            each = call.arguments[0] if call.callee == ALL and len(call.arguments) == 1 else None
            if isinstance(each, t.Comp):
                at = (call.sequence, each.context)
                inside = _Asking(self._types, self._function, at, self._steps)
                if holds:
                    yield from ((it, True) for it in inside.loaded(each.element, holds=True))
                else:
                    yield from ((it, True) for it in inside.missing(each.element, holds=False))
                return
            yield from ((asked, True) for asked in self._by_function(test.index, call))

    def _is_of_container(self, test: t.Expr) -> bool:
        """Return whether a test asks only whether there is the place where it is looked up."""
        call = self._function.facts.calls[test.index] if isinstance(test, t.CallRef) else None
        if call is None or call.callee != HASATTR or len(call.arguments) != 2:
            return False
        named = call.arguments[1]
        return isinstance(named, t.Const) and any(
            isinstance(pattern, ast.Compare)
            and isinstance(pattern.comparators[0], ast.Attribute)
            and pattern.comparators[0].attr == named.value
            for pattern, _, _ in _patterns(self._types)
        )

    def _by_function(self, index: int, call: t.Call) -> Iterator[Asked]:
        """Yield what a function of the project is asked for that does no more than ask."""
        targets = self._types.call(self._function, index).targets
        helper = targets[0].function if len(targets) == 1 else None
        asked = None if helper is None else _answered(self._types, helper, self._steps - 1)
        if helper is None or asked is None or not isinstance(asked.row, t.Name):
            return
        row = argument_for(call, helper, asked.row.id)
        relation: t.Expr | None = asked.relation
        if isinstance(relation, t.Name):
            relation = argument_for(call, helper, relation.id)
        if row is not None and relation is not None:
            yield Asked(row, relation, asked.words, self._at)

    def fits(self, pattern: ast.expr, value: t.Expr, found: dict[str, t.Expr]) -> bool:
        """Return whether an expression is written as a pattern says; fill in what it stands for."""
        function = self._function
        match pattern:
            case ast.Set(elts=[ast.Name(id=place)]):
                return found.setdefault(place, value) == value
            case ast.Compare(left=left, comparators=[right]):
                return (
                    isinstance(value, t.Compare)
                    and self.fits(left, value.left, found)
                    and self.fits(right, value.right, found)
                )
        value = resolved(function, value)
        call = function.facts.calls[value.index] if isinstance(value, t.CallRef) else None
        match pattern:
            case ast.Attribute(value=base, attr=name):
                if isinstance(value, t.Attr):
                    return value.name == name and self.fits(base, value.base, found)
                return (
                    call is not None
                    and call.callee == GETATTR
                    and call.arguments[1:2] == (t.Const(name, "str"),)
                    and self.fits(base, call.arguments[0], found)
                )
            case ast.Call(func=called, args=given):
                if call is None or len(given) != len(call.arguments):
                    return False
                if not self._is_called(called, value, call, found):
                    return False
                pairs = zip(given, call.arguments, strict=True)
                return all(self.fits(each, other, found) for each, other in pairs)
        return False

    def _is_called(
        self, called: ast.expr, value: t.Expr, call: t.Call, found: dict[str, t.Expr]
    ) -> bool:
        """Return whether a call is of a function of a library, or of a method as written."""
        path = _written(called)
        if "{" in path:
            return self.fits(called, call.callee, found)
        return isinstance(value, t.CallRef) and any(
            target.behaviour is not None and target.behaviour.path == path
            for target in self._types.call(self._function, value.index).targets
        )


def _answered(types: "Types", helper: FunctionNode, steps: int) -> Asked | None:
    """Return what a function asks for whose result is whether a relation was loaded."""
    found: list[Asked] = []
    for item in helper.facts.results:
        asking = _Asking(types, helper, (item.sequence, item.context), steps)
        if item.kind != "return" or item.value is None:
            return None
        if not isinstance(item.value, t.Const):
            asked = asking.loaded(item.value, holds=True)
        elif not item.value.value:
            continue
        else:
            blocks = [helper.facts.contexts[step] for step in helper.context_chain(item.context)]
            asked = [
                each
                for block in blocks
                if block.kind == "if" and block.subject is not None
                for each in asking.loaded(block.subject, holds=True)
            ]
        if len(asked) != 1:
            return None
        found += asked
    if not found or any(
        (each.row, each.relation, each.words) != (found[0].row, found[0].relation, found[0].words)
        for each in found
    ):
        return None
    return found[0]


def _patterns(types: "Types") -> Iterator[tuple[ast.expr, EntityQueries, bool]]:
    """Yield how tests are written, of which library, and whether they ask for what is loaded."""
    for text, words, is_loaded in types.libraries.loaded_tests:
        yield _parsed(text), words, is_loaded


@cache
def _written(pattern: ast.expr) -> str:
    return ast.unparse(pattern)


@cache
def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body
