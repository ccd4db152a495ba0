"""What a call of a library costs itself, and what awaiting its result does."""

from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program import calls
from perfaudit.program.expressions import argument, has_splat
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.sites import Found
from perfaudit.program.sql_text import text_of
from perfaudit.program.sql_verbs import sql_effects
from perfaudit.program.table_statements import statement_run
from perfaudit.program.values import Instance, LibraryInstance, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

IN_MEMORY = frozenset({"io.BytesIO", "io.StringIO", "tempfile.SpooledTemporaryFile"})
OF_FILES = frozenset({"file.read", "file.write", "file.stat", "cpu"})
"""What is left out where the file is in memory, and so mostly small; what is sent is sent."""


def add_call(found: Found, call: t.Call, index: int, target: calls.Target) -> None:
    """Add what a call of a library costs, as its arguments decide."""
    behaviour = target.behaviour
    if behaviour is None or not behaviour.effects:
        return
    types, function = found.types, found.function
    effects = behaviour.effects
    sql = None
    at = (call.sequence, call.context)
    if behaviour.sql is not None:
        given = argument(call, behaviour.sql)
        if given is not None:
            sql = text_of(types, function, given, at)
            effects = _statement_effects(types, function, given, at, sql, effects)
    if "runs-built" in behaviour.flags:
        statement = statement_run(types, function, call, behaviour)
        sql = None if statement is None else statement.text()
        effects = effects if sql is None else sql_effects(sql) or effects
    if "named-statement" in behaviour.flags and isinstance(call.callee, t.Attr):
        sql = types.named_sql.get(call.callee.name.removesuffix("_cursor"))
        effects = effects if sql is None else sql_effects(sql) or effects
    if "in-memory-quiet" in behaviour.flags and _is_in_memory(
        types, function, call, target.receiver
    ):
        effects = tuple(effect for effect in effects if effect not in OF_FILES)
    blocking = behaviour.blocking and not (
        "blocking-argument" in behaviour.flags and _declines_waiting(call)
    )
    if "sleeps-with-interval" in behaviour.flags and not _has_interval(call):
        effects = tuple(effect for effect in effects if effect != "sleep")
    if "flushes" in behaviour.flags and "db.write" not in effects and _adds_before(found, call):
        effects = (*effects, "db.write")
    if not effects:
        return
    found.add_site(
        "call",
        target.name,
        behaviour,
        t.CallRef(index),
        found.place(call),
        receiver=target.receiver,
        effects=effects,
        blocking=blocking,
        call=call,
        sql=sql,
        confidence=target.confidence,
    )


def _adds_before(found: Found, call: t.Call) -> bool:
    """Return whether the function adds an object to the session that this call is first to flush.

    What was flushed wherever it was added is written already.
    """
    added: t.Call | None = None
    for index, earlier in enumerate(found.function.facts.calls):
        if earlier.sequence >= call.sequence:
            break
        for target in found.types.call(found.function, index).targets:
            flags = target.behaviour.flags if target.behaviour is not None else ()
            if "adds-without-query" in flags:
                added = earlier
            elif "flushes" in flags and added is not None:
                around = (-1, *found.function.context_chain(added.context))
                added = None if earlier.context in around else added
    return added is not None


def _statement_effects(
    types: "Types",
    function: FunctionNode,
    given: t.Expr,
    at: tuple[int, int],
    sql: str | None,
    effects: tuple[str, ...],
) -> tuple[str, ...]:
    """Return the effects as the statement decides them: by its text, or its kind of object."""
    others = tuple(effect for effect in effects if effect not in ("db.query", "db.write"))
    if sql is not None:
        decided = sql_effects(sql)
        return effects if decided is None else others + decided
    for option in options_of(types.evaluate(function, given, at)):
        if isinstance(option, LibraryInstance) and option.path.rpartition(".")[2] in (
            "Insert",
            "Update",
            "Delete",
        ):
            return (*others, "db.write")
    return effects


def _is_in_memory(
    types: "Types", function: FunctionNode, call: t.Call, receiver: Type | None
) -> bool:
    at = (call.sequence, call.context)
    given = [types.evaluate(function, value, at) for value in call.given]
    if receiver is not None:
        given.append(receiver)
        given.extend(getattr(receiver, "arguments", ()))
    return any(
        value.path in IN_MEMORY
        if isinstance(value, LibraryInstance)
        else isinstance(value, Instance)
        and not IN_MEMORY.isdisjoint(types.classes.library_bases(value.node))
        for value in given
    )


def _has_interval(call: t.Call) -> bool:
    given = argument(call, "0|interval")
    return has_splat(call) or not (given is None or isinstance(given, t.Const) and not given.value)


def _declines_waiting(call: t.Call) -> bool:
    given = argument(call, "0|blocking|block")
    return isinstance(given, t.Const) and given.value is False


def add_await(found: Found, call: t.Call, index: int, result: Type) -> None:
    """Add what awaiting an object costs that only waits when awaited, such as a lazy query set."""
    for option in options_of(result):
        if not isinstance(option, LibraryInstance):
            continue
        behaviour = found.types.libraries.method(option.path, "__await__")
        if behaviour is not None and behaviour.effects:
            found.add_site(
                "call",
                option.path,
                behaviour,
                t.CallRef(index),
                found.place(call),
                receiver=option,
                effects=behaviour.effects,
                blocking=False,
                call=call,
            )
