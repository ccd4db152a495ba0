"""All places that run SQL whose text is known, also where the call that does so is not seen.

A text may be handed to a function of the project that runs it, or to a method of something unknown
that has the name of a driver's. Such places say which rows a program asks for. They are no sites:
what a function costs is counted where the driver is called.
"""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from msgspec import structs

from perfaudit.core.levels import Confidence
from perfaudit.facts import types as t
from perfaudit.libraries.types import Behaviour
from perfaudit.program.expressions import argument, argument_for, is_bound
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Site
from perfaudit.program.sql_methods import handed_to_methods
from perfaudit.program.sql_text import texts_of
from perfaudit.program.sql_verbs import sql_effects
from perfaudit.program.values import External, FunctionType, Unknown

if TYPE_CHECKING:
    from perfaudit.program.program import Program

Parameter = tuple[FunctionNode, str]
_Call = tuple[FunctionNode, t.Call, t.Expr | None, Confidence]
"""A call of a function: its own function, the call, its value, and how sure it is."""
MAX_WRAPPERS = 3
"""How many functions a text is handed through."""
_STATEMENT = re.compile(
    r"\s*(?:--[^\n]*\n\s*)*(?:select\b.*\bfrom\b|insert\s+(?:or\s+\w+\s+)?into\s|update\s.*\sset\s"
    r"|delete\s+from\s|with\s.*\bselect\b|merge\s+into\s|replace\s+into\s"
    r"|copy\s*\(\s*(?:select|with)\s)",
    re.IGNORECASE | re.DOTALL,
)
_WORDS = re.compile(
    r"\s*(?:--[^\n]*\n\s*)*(?:select|insert|update|delete|with|merge|replace|copy)[\s(]",
    re.IGNORECASE,
)
MAX_HEAD = 2_000
"""How far a text is looked at for what makes it a statement."""


def statements(program: "Program") -> tuple[Site, ...]:
    """Return the places that run a known statement: sites of calls, and others like them.

    In file order, and once for each of the statements that a place may run. Ask it ``once``.
    """
    found = [
        one
        for site in program.sites()
        if site.kind == "call" and site.sql
        for one in _with_others(program, site)
    ]
    unknown = list(_of_unknown(program))
    found += [site for site in unknown if site.sql]
    handed = _HandedOver(program, [site for site in unknown if not site.sql])
    found += handed.through_edges()
    known = {(site.function, site.value) for site in found}
    for site in handed.to_methods():
        if (site.function, site.value) not in known:
            known.add((site.function, site.value))
            found.append(site)
    return tuple(sorted(found, key=lambda site: (site.location, site.sequence)))


def is_statement(text: str) -> bool:
    """Return whether a text looks like a statement for rows, and not only like its first word."""
    head = text[:MAX_HEAD]
    return _WORDS.match(head) is not None and _STATEMENT.match(head) is not None


class _HandedOver:
    """The statements that project functions are given to run.

    ``runners``: functions, and their parameters that are run as SQL, with where that happens.
    """

    def __init__(self, program: "Program", unknown: list[Site]) -> None:
        self.program = program
        self.runners: dict[Parameter, Site] = {}
        for site in (*program.sites(), *unknown):
            if site.kind == "call" and not site.sql and site.call and site.behaviour.sql:
                given = argument(site.call, site.behaviour.sql) or _all_given(site.call)
                parameter = _parameter(site.function, given)
                if parameter is not None:
                    self.runners.setdefault(parameter, site)

    def through_edges(self) -> Iterator[Site]:
        """Yield the calls of project functions that are given a statement, and run it."""
        latest = dict(self.runners)
        for _ in range(MAX_WRAPPERS):
            further: dict[Parameter, Site] = {}
            for (function, name), site in latest.items():
                for caller, call, value, confidence in self._calls_of(function):
                    given = _given_for(call, function, name)
                    made = self._given(site, caller, call, value, given)
                    for one in made:
                        yield structs.replace(one, confidence=min(site.confidence, confidence))
                    if made:
                        continue
                    outer = _parameter(caller, given)
                    if outer is not None and outer not in self.runners:
                        further[outer] = self.runners[outer] = site
            latest = further

    def _calls_of(self, function: FunctionNode) -> Iterator[_Call]:
        """Yield the calls of a function, also those where it is handed to another one."""
        for edge in self.program.edges_to(function):
            if edge.call is not None and edge.via == "call":
                yield edge.caller, edge.call, edge.value, edge.confidence
            elif isinstance(edge.value, t.CallRef) and edge.via == "callback":
                yield from self._calls_where_handed(edge.caller, edge.value.index, function)

    def _calls_where_handed(
        self, caller: FunctionNode, index: int, function: FunctionNode
    ) -> Iterator[_Call]:
        """Yield the calls of a function where it is called by the name of a parameter."""
        for target in self.program.types.call(caller, index).targets:
            other = target.function
            if other is None:
                continue
            names = {
                param.name
                for param in other.facts.params
                if argument_for(caller.facts.calls[index], other, param.name)
                == t.Name(function.name)
            }
            for number, call in enumerate(other.facts.calls):
                if isinstance(call.callee, t.Name) and call.callee.id in names:
                    yield other, call, t.CallRef(number), Confidence.MEDIUM

    def to_methods(self) -> Iterator[Site]:
        """Yield the calls on something unknown that every class would run. Ask it last."""
        for site, function, index, given in handed_to_methods(self.program, self.runners):
            call = function.facts.calls[index]
            for one in self._given(site, function, call, t.CallRef(index), given):
                yield structs.replace(one, confidence=Confidence.MEDIUM)

    def _given(
        self,
        site: Site,
        function: FunctionNode,
        call: t.Call,
        value: t.Expr | None,
        given: t.Expr | None,
    ) -> list[Site]:
        """Return the sites of a call that gives a statement to what is run there."""
        at = (call.sequence, call.context)
        texts = [] if given is None else texts_of(self.program.types, function, given, at)
        return [
            structs.replace(
                site,
                function=function,
                location=function.place(call),
                context=call.context,
                sequence=call.sequence,
                call=call,
                value=value,
                receiver=None,
                effects=sql_effects(text) or site.effects,
                sql=text,
            )
            for text in texts
            if is_statement(text)
        ]


def _with_others(program: "Program", site: Site) -> Iterator[Site]:
    """Yield the site of a call for each of the statements that it may run, the known one first."""
    yield site
    given = None if site.call is None else argument(site.call, site.behaviour.sql)
    if site.call is None or given is None or isinstance(given, t.Const):
        return
    at = (site.call.sequence, site.call.context)
    texts = texts_of(program.types, site.function, given, at)
    if site.sql in texts:
        for text in texts:
            if text != site.sql:
                yield structs.replace(site, sql=text, effects=sql_effects(text) or site.effects)


def _all_given(call: t.Call) -> t.Expr | None:
    """Return the ``*args`` that a call is given in the place of all its arguments."""
    first = call.arguments[0] if call.arguments else None
    return first.value if isinstance(first, t.Star) else None


def _given_for(call: t.Call, function: FunctionNode, name: str) -> t.Expr | None:
    """Return what a call passes for a parameter; for ``*args`` the first of what they hold."""
    if name not in function.params or function.params[name].kind != "*args":
        return argument_for(call, function, name)
    before = sum(param.kind == "positional" for param in function.facts.params)
    before -= int(is_bound(function))
    given = call.arguments[: before + 1]
    if len(given) <= before or any(isinstance(value, t.Star) for value in given):
        return None
    return given[before]


def _parameter(function: FunctionNode, value: t.Expr | None) -> Parameter | None:
    """Return the parameter that a text comes from, also through a call that is given it alone."""
    if isinstance(value, t.Name):
        found = _named(function, value.id)
        if found is not None:
            return found
        value = function.only_value(value.id)
    if isinstance(value, t.CallRef):
        given = [
            found
            for part in function.facts.calls[value.index].arguments
            if isinstance(part, t.Name) and (found := _named(function, part.id)) is not None
        ]
        return given[0] if len(given) == 1 else None
    return None


def _named(function: FunctionNode, name: str) -> Parameter | None:
    """Return the parameter of a name, of the function itself or of one around it."""
    scope: FunctionNode | None = function
    while scope is not None and scope.kind != "class":
        if name in scope.params:
            return scope, name
        if name in scope.binds:
            return None
        scope = scope.parent
    return None


def _of_unknown(program: "Program") -> Iterator[Site]:
    """Yield the calls of methods of something unknown that are named as those that run SQL.

    Their text is a statement, or comes from a parameter.
    """
    runs = _running_methods(program)
    for function in program.functions:
        for index, call in enumerate(function.facts.calls):
            behaviour = _run_by(call, runs)
            given = None if behaviour is None else argument(call, behaviour.sql)
            if behaviour is None or given is None or _is_known(program, function, index, behaviour):
                continue
            at = (call.sequence, call.context)
            texts: list[str | None] = [
                text for text in texts_of(program.types, function, given, at) if is_statement(text)
            ]
            if not texts and _parameter(function, given) is not None:
                texts = [None]
            for text in texts:
                yield Site(
                    function=function,
                    kind="call",
                    name=behaviour.path,
                    effects=(sql_effects(text) if text else None) or behaviour.effects,
                    blocking=False,
                    location=function.place(call),
                    context=call.context,
                    sequence=call.sequence,
                    behaviour=behaviour,
                    receiver=None,
                    call=call,
                    value=t.CallRef(index),
                    sql=text,
                    confidence=Confidence.MEDIUM,
                )


def _run_by(call: t.Call, runs: dict[str, Behaviour]) -> Behaviour | None:
    """Return what a call runs by the name of its method, or of one that it hands on."""
    if isinstance(call.callee, t.Attr) and call.callee.name in runs:
        return runs[call.callee.name]
    for index, given in enumerate(call.arguments[:-1] if len(call.arguments) > 1 else ()):
        if isinstance(given, t.Attr) and given.name in runs:
            return structs.replace(runs[given.name], sql=str(index + 1))
    return None


def _is_known(program: "Program", function: FunctionNode, index: int, behaviour: Behaviour) -> bool:
    """Return whether it is known what a call runs, or the method that it hands on.

    A method that calls nothing only says what those of other classes are like.
    """
    position = int(behaviour.sql or "0")
    if position:
        call = function.facts.calls[index]
        at = (call.sequence, call.context)
        handed = program.types.evaluate(function, call.arguments[position - 1], at)
        if isinstance(handed, FunctionType):
            return bool(handed.node.facts.calls)
        return not isinstance(handed, Unknown | External)
    targets = program.types.call(function, index).targets
    return any(
        bool(target.function.facts.calls) if target.function else target.behaviour is not None
        for target in targets
    )


def _running_methods(program: "Program") -> dict[str, Behaviour]:
    """Return the names of methods that run the SQL of their first argument, in some library."""
    return {
        name: Behaviour(path=name, effects=("db.query",), sql="0")
        for library in program.libraries.libraries
        for found in library.types.values()
        for name, behaviour in found.methods.items()
        if (behaviour.sql or "").split("|")[0] == "0"
    }
