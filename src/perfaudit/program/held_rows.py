"""Functions that hold all rows of a class, so that their session has whatever leads to one."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.libraries.types import Behaviour
from perfaudit.program.commits import COMMITS
from perfaudit.program.kept_objects import WHOLE, may_be_kept
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.row_queries import rows_of
from perfaudit.program.row_types import is_in_memory
from perfaudit.program.sizes import passes_items
from perfaudit.program.tables import Relation

if TYPE_CHECKING:
    from perfaudit.program.program import Program

MAX_STEPS = 12
MAX_CALLS = 2


def holds_all(
    program: "Program", relation: Relation, function: FunctionNode, before: int, loop: int
) -> bool:
    """Return whether a function has all rows that a relation may lead to in a list or dictionary.

    Its session, which the rows of the loop are of as well, keeps objects as long as somebody
    holds them, and until they expire.
    """
    if loop < 0 or not may_be_kept(program, relation, function, None):
        return False
    walked = function.facts.contexts[loop].subject
    session = None if walked is None else _session_of(program, function, walked)
    if session is None:
        return False
    for name, binds in function.binds.items():
        bind = binds[0]
        if len(binds) > 1 or bind.value is None or bind.context >= 0 or _is_chosen(function, bind):
            continue
        at = (bind.sequence, bind.context)
        if bind.sequence > before or bind.kind != "assign":
            continue
        if not is_in_memory(program.types.evaluate(function, t.Name(name), (at[0] + 1, at[1]))):
            continue
        if _session_of(program, function, bind.value) != session:
            continue
        rows = rows_of(program, function, bind.value, at)
        if rows is None or rows.of != {relation.target} or not rows.steps <= WHOLE:
            continue
        if not _may_expire(program, function, session, bind.sequence, before):
            return True
    return False


def _is_chosen(function: FunctionNode, bind: t.Bind) -> bool:
    """Return whether a comprehension leaves some of the items out."""
    if not isinstance(bind.value, t.Comp):
        return False
    inside = bind.value.context
    return any(context.parent == inside for context in function.facts.contexts)


def _session_of(program: "Program", function: FunctionNode, value: t.Expr) -> t.Expr | None:
    """Return what the calls in a row that give some rows begin with; None where it is more."""
    for _ in range(MAX_STEPS):
        match value:
            case t.Await(value=inner):
                value = inner
            case t.Comp(context=context) if context >= 0:
                walked = function.facts.contexts[context].subject
                if walked is None:
                    return None
                value = walked
            case t.CallRef(index=index):
                call = function.facts.calls[index]
                if isinstance(call.callee, t.Attr):
                    value = call.callee.base
                elif len(call.given) == 1 and passes_items(program.types, function, index):
                    value = call.given[0]
                else:
                    return None
            case t.Name(id=name):
                made = function.only_value(name)
                if made is None:
                    return None if name in function.binds else value
                bind = function.binds[name][0]
                if rows_of(program, function, made, (bind.sequence, bind.context)) is None:
                    return value
                value = made
            case t.Attr():
                return value
            case _:
                return None
    return None


def _may_expire(
    program: "Program", function: FunctionNode, session: t.Expr, since: int, before: int
) -> bool:
    """Return whether a session may forget what it has between two places of a function.

    All but queries may do so, and who is called in between may commit.
    """
    for index, call in enumerate(function.facts.calls):
        if not since < call.sequence < before:
            continue
        if isinstance(call.callee, t.Attr) and call.callee.base == session:
            targets = program.types.call(function, index).targets
            if not targets or not all(_only_asks(target.behaviour) for target in targets):
                return True
    return any(
        since < edge.sequence < before and program.once(_commits, edge.callee, MAX_CALLS)
        for edge in program.edges_from(function)
    )


def _only_asks(behaviour: Behaviour | None) -> bool:
    """Return whether a method of a session asks for rows, or makes a query."""
    if behaviour is None or not set(behaviour.effects) <= {"db.query"}:
        return False
    return bool(behaviour.effects or behaviour.returns)


def _commits(program: "Program", function: FunctionNode, calls: int) -> bool:
    if any(COMMITS in site.behaviour.flags for site in program.sites_of(function)):
        return True
    return calls > 0 and any(
        program.once(_commits, edge.callee, calls - 1) for edge in program.edges_from(function)
    )
