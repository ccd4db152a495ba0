"""Which functions keep what they gave: by a decorator, or in an object of their module."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from perfaudit.facts import types as t
from perfaudit.program.decorators import decorator_behaviours
from perfaudit.program.expressions import names as expression_names
from perfaudit.program.expressions import spelled
from perfaudit.program.nodes import ClassNode, FunctionNode

if TYPE_CHECKING:
    from perfaudit.program.infer import Types

KEEPERS = re.compile(r"cache|memo|singleton|once\b", re.IGNORECASE)
"""Names of decorators that keep what a function gave."""
EMPTIERS = re.compile(r"never|no_?cache|control|invalidat|clear|evict|purge", re.IGNORECASE)
"""Names of decorators that speak of a cache, but keep nothing."""


def is_memoised(types: "Types", function: FunctionNode) -> bool:
    """Return whether a decorator keeps the function's results, or one that it is given does."""
    if not function.facts.decorators:
        return False
    if any(behaviour.memoises for behaviour in decorator_behaviours(types, function)):
        return True
    return function.parent is not None and _is_given_keeper(
        types, function.parent, function.facts.decorators
    )


def is_class_kept(types: "Types", node: ClassNode) -> bool:
    """Return whether a decorator of a class has one of its methods keep what it gives."""
    return _is_given_keeper(types, node.parent, node.facts.decorators)


def _is_given_keeper(types: "Types", outer: FunctionNode, decorators: tuple[t.Expr, ...]) -> bool:
    return any(
        target.behaviour is not None and target.behaviour.memoises
        for given in _given_to(outer, decorators)
        if isinstance(given, t.CallRef)
        for target in types.call(outer, given.index).targets
    )


def _given_to(outer: FunctionNode, decorators: tuple[t.Expr, ...]) -> list[t.Expr]:
    """Return what decorators are given: ``method_decorator(cache_page(60))``."""
    calls = [outer.facts.calls[item.index] for item in decorators if isinstance(item, t.CallRef)]
    return [given for call in calls for given in call.given]


def keeps_by_name(function: FunctionNode) -> bool:
    """Return whether an undescribed decorator says by its name that it keeps results."""
    if function.parent is None:
        return False
    said = [*function.facts.decorators, *_given_to(function.parent, function.facts.decorators)]
    names = [spelled(function.parent, item) for item in said if not isinstance(item, t.Const)]
    return any(KEEPERS.search(name) and not EMPTIERS.search(name) for name in names)


def keeps_in_global(function: FunctionNode) -> bool:
    """Return whether a function makes a module's object on first use and keeps giving it."""
    if not function.facts.contexts:
        # It neither tests whether it has the object, nor catches that it has not.
        return False
    names = set(function.facts.outer_names) & function.binds.keys()
    noted = _noted_globals(function)
    names |= noted
    if not names:
        return False
    return not noted.isdisjoint(_filled_on_error(function)) or any(
        context.kind == "if"
        and context.subject is not None
        and expression_names(function, context.subject) & names
        for context in function.facts.contexts
    )


def _noted_globals(function: FunctionNode) -> set[str]:
    """Return the collections of the module that a function asks for something and adds it to."""
    asked = {
        context.subject.right.id
        for context in function.facts.contexts
        if isinstance(context.subject, t.Compare)
        and context.subject.operator in ("In", "NotIn")
        and isinstance(context.subject.right, t.Name)
    }
    asked |= set(_filled_on_error(function))
    outer = {name for name in asked if _is_of_module(function, name)}
    if not outer:
        return set()
    added = {
        call.callee.base.id
        for call in function.facts.calls
        if isinstance(call.callee, t.Attr)
        and call.callee.name in ("add", "append", "setdefault", "update")
        and isinstance(call.callee.base, t.Name)
    }
    added |= {
        bind.target.base.id
        for bind in function.facts.binds
        if isinstance(bind.target, t.Item) and isinstance(bind.target.base, t.Name)
    }
    return outer & added


def _filled_on_error(function: FunctionNode) -> Iterator[str]:
    """Yield the names of the mappings that get an entry where asking for it raised a KeyError."""
    contexts = function.facts.contexts
    for bind in function.facts.binds:
        if isinstance(bind.target, t.Item) and isinstance(bind.target.base, t.Name):
            chain = [contexts[number] for number in function.context_chain(bind.context)]
            if any(
                here.kind == "except"
                and here.subject is not None
                and "KeyError" in expression_names(function, here.subject)
                for here in chain
            ):
                yield bind.target.base.id


def _is_of_module(function: FunctionNode, name: str) -> bool:
    """Return whether a name is an object of the module, or of a part of one, in a function."""
    module = function.file.body.binds
    binds = function.binds.get(name)
    if binds is None:
        return name in module
    for bind in binds:
        root = bind.value
        while isinstance(root, t.Item | t.Attr):
            root = root.base
        if not isinstance(root, t.Name) or root.id in function.binds or root.id not in module:
            return False
    return True
