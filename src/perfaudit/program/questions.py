"""What a test asks for: the state of the process, the kind of a value, or an option."""

from perfaudit.facts import types as t
from perfaudit.program.expressions import conjuncts, last_name, parts
from perfaudit.program.nodes import ClassNode, FunctionNode

MAX_STEPS = 4
"""How many names are followed to what they are bound to."""
VARIABLES = frozenset({"environ", "getenv"})
"""The last names of what reads a variable of the environment: ``os.getenv``, ``environ.get``."""
ENVIRONMENT = VARIABLES | {"platform"}
ISINSTANCE = t.Name("isinstance")
HASATTR = t.Name("hasattr")
GETATTR = t.Name("getattr")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
"""The methods that an HTTP request may have."""


def methods_asked(test: t.Expr, *, holds: bool = True) -> frozenset[str]:
    """Return the methods of a request for which a test holds, or not; empty where it asks for none.

    ``request.method == "POST"``, ``request.method in ("PUT", "PATCH")``.
    """
    if not isinstance(test, t.Compare) or test.operator not in ("Eq", "NotEq", "In", "NotIn"):
        return frozenset()
    if not isinstance(test.left, t.Attr) or test.left.name != "method":
        return frozenset()
    given = test.right.items if isinstance(test.right, t.Seq) else (test.right,)
    named = frozenset(
        item.value
        for item in given
        if isinstance(item, t.Const) and isinstance(item.value, str) and item.value in METHODS
    )
    if not named or len(named) < len(given):
        return frozenset()
    return named if holds is (test.operator in ("Eq", "In")) else METHODS - named


def asks_for_kind(function: FunctionNode, test: t.Expr) -> bool:
    """Return whether a test asks what kind of value is given: of which class, which word."""
    for part in conjuncts(test):
        if isinstance(part, t.Compare) and part.operator == "Eq" and not methods_asked(part):
            if isinstance(part.right, t.Const) and isinstance(part.right.value, str):
                return True
            # A member of an enumeration, or another constant.
            if isinstance(part.right, t.Name | t.Attr) and last_name(part.right).isupper():
                return True
        callee = function.facts.calls[part.index].callee if isinstance(part, t.CallRef) else None
        if callee == ISINSTANCE:
            return True
        if isinstance(callee, t.Attr) and callee.name in ("startswith", "endswith"):
            return True
    return False


def is_one_of_kinds(function: FunctionNode, block: t.Context) -> bool:
    """Return whether a branch is one of several for kinds of a value.

    ``if change.is_addition(): ... elif change.is_removal(): ...``, ``if task.trip: ... elif
    task.visit: ...``.
    """
    asked = _asked_whether(function, block.subject)
    return asked is not None and any(
        other.kind == "if"
        and other.subject != block.subject
        and asked == _asked_whether(function, other.subject)
        and (
            _is_otherwise(function, other, block.subject)
            or _is_otherwise(function, block, other.subject)
        )
        for other in function.facts.contexts
    )


def _asked_whether(function: FunctionNode, test: t.Expr | None) -> t.Name | None:
    """Return the name that a test asks whether it is or has something: ``change.is_addition()``."""
    call = function.facts.calls[test.index] if isinstance(test, t.CallRef) else None
    match call.callee if call is not None else test:
        case t.Attr(base=t.Name() as base, name=name) if call is None or name.startswith("is_"):
            return base if call is None or not call.arguments else None
        case t.Attr(base=t.Attr(base=t.Name() as base)) if call is not None and not call.given:
            return base
    return None


def _is_otherwise(function: FunctionNode, block: t.Context, test: t.Expr | None) -> bool:
    """Return whether a block is only asked for where a test does not hold."""
    if block.parent < 0:
        return False
    around = function.facts.contexts[block.parent]
    if around.kind != "else":
        return False
    return around.subject == test or (around.parent >= 0 and _is_otherwise(function, around, test))


def asks_for_class(function: FunctionNode, test: t.Expr) -> bool:
    """Return whether a test asks of which class something is, or is not."""
    asked = [part.value if isinstance(part, t.Not) else part for part in conjuncts(test)]
    return any(
        isinstance(part, t.CallRef) and function.facts.calls[part.index].callee == ISINSTANCE
        for part in asked
    )


def class_test(function: FunctionNode, test: t.Expr) -> tuple[t.Expr, t.Expr] | None:
    """Return what ``isinstance`` asks about and of which classes; None where a test is no such."""
    call = function.facts.calls[test.index] if isinstance(test, t.CallRef) else None
    if call is None or call.callee != ISINSTANCE or len(call.arguments) != 2:
        return None
    return call.arguments[0], call.arguments[1]


def finds_missing(
    function: FunctionNode,
    test: t.Expr,
    *,
    holds: bool,
    asks: frozenset[t.Expr] = frozenset({HASATTR, ISINSTANCE}),
    steps: int = MAX_STEPS,
) -> bool:
    """Return whether a test, as it turns out, says that an object lacks what others have.

    An attribute that queries and views give their rows beforehand, ``hasattr(row, "total")``, or
    the class that it would have as a row. Also where a function of the same file asks that.
    ``asks``: the functions of the language by which it may ask.
    """
    match test:
        case t.Not(value=inner):
            return finds_missing(function, inner, holds=not holds, asks=asks, steps=steps)
        case t.Either(kind=kind, options=options) if (kind == "and") is holds:
            return any(
                finds_missing(function, part, holds=holds, asks=asks, steps=steps)
                for part in options
            )
        case t.CallRef(index=index):
            call = function.facts.calls[index]
            if call.callee in asks and len(call.arguments) == 2:
                return not holds
            asked = _written_beside(function, call.callee) if steps else None
            result = (
                asked.facts.results[0].value if asked and len(asked.facts.results) == 1 else None
            )
            return (
                asked is not None
                and result is not None
                and finds_missing(asked, result, holds=holds, asks=asks, steps=steps - 1)
            )
    return False


def _written_beside(function: FunctionNode, callee: t.Expr) -> FunctionNode | None:
    """Return the function that a name stands for in the same file, where only one has it."""
    scope: FunctionNode | None = function
    while scope is not None and isinstance(callee, t.Name):
        if callee.id in scope.params or callee.id in scope.binds:
            return None
        found = scope.inner.get(callee.id, ())
        if found:
            return found[0] if len(found) == 1 else None
        scope = scope.parent
    return None


def asks_for_entry(function: FunctionNode, test: t.Expr) -> bool:
    """Return whether a test asks for an entry that what is given may have: ``"id" in options``."""
    for part in conjuncts(test):
        inner = part.value if isinstance(part, t.Not) else part
        if not isinstance(inner, t.Compare) or inner.operator not in ("In", "NotIn"):
            continue
        held, is_key = inner.right, isinstance(inner.left, t.Const)
        if isinstance(held, t.CallRef):
            callee = function.facts.calls[held.index].callee
            if isinstance(callee, t.Attr) and callee.name == "keys":
                held, is_key = callee.base, True
        if is_key and isinstance(held, t.Name) and held.id in function.params:
            return True
    return False


def asks_whether_new(function: FunctionNode, test: t.Expr, steps: int = MAX_STEPS) -> bool:
    """Return whether a test asks of an object whether it has been saved: ``self.pk is None``."""
    match test:
        case t.Not(value=inner) | t.Compare(operator="Is" | "IsNot", left=inner):
            return asks_whether_new(function, inner, steps)
        case t.Either(kind="and", options=options):
            return any(asks_whether_new(function, option, steps) for option in options)
        case t.CallRef(index=index):
            call = function.facts.calls[index]
            is_bool = call.callee == t.Name("bool") and len(call.arguments) == 1
            return is_bool and asks_whether_new(function, call.arguments[0], steps)
        case t.Name(id=name) if steps and name not in function.params:
            value = function.only_value(name)
            return value is not None and asks_whether_new(function, value, steps - 1)
        case (
            t.Attr(base=t.Name(id=name), name="pk" | "id")
            | t.Attr(base=t.Attr(base=t.Name(id=name)), name="pk" | "id")
        ):
            # Also of one that its object was made with: a form and its ``instance``.
            return function.owner is not None and name in function.params
        case t.Attr(base=t.Attr(name="_state"), name="adding"):
            return True
    return False


def is_off_by_default(function: FunctionNode, test: t.Expr) -> bool:
    """Return whether a test asks for an option that is off unless it is given."""
    if not isinstance(test, t.CallRef):
        return False
    call = function.facts.calls[test.index]
    match call.arguments:
        case (t.Const(value=str()), t.Const(value=given)):
            return not given and isinstance(call.callee, t.Attr) and call.callee.name == "get"
    return False


def is_state(function: FunctionNode, test: t.Expr, sequence: int, steps: int = MAX_STEPS) -> bool:
    """Return whether a test asks only for what does not change from call to call."""
    match test:
        case t.Not(value=inner):
            return is_state(function, inner, sequence, steps)
        case t.Either(kind="and", options=options):
            return any(is_state(function, option, sequence, steps) for option in options)
        case t.Either(options=options):
            return all(is_state(function, option, sequence, steps) for option in options)
        case t.Compare(left=left, right=right):
            parts = [part for part in (left, right) if not isinstance(part, t.Const | t.Seq)]
            return bool(parts) and all(is_state(function, p, sequence, steps) for p in parts)
        case t.Name(id=name):
            return _is_state_name(function, name, sequence, steps)
        case t.Attr():
            return _is_state_attribute(function, test)
        case t.CallRef():
            return _reads_environment(function, test)
        case t.Item(base=base):
            return _reads_environment(function, base)
    return False


def is_of_settings(function: FunctionNode, value: t.Expr, sequence: int) -> bool:
    """Return whether a value is a constant, state of the process, or made of the environment."""
    if isinstance(value, t.Const) or is_state(function, value, sequence):
        return True
    if isinstance(value, t.Not):
        return is_of_settings(function, value.value, sequence)
    return any(_reads_environment(function, part) for part in parts(function, value))


def _is_state_name(function: FunctionNode, name: str, sequence: int, steps: int) -> bool:
    """Return whether a name is of the module, or bound once to what is."""
    if name in function.params:
        return False
    binds = function.binds.get(name)
    if binds is None:
        outer = function.parent
        if outer is None or outer.kind == "module":
            return True
        if name in outer.params and _is_given_away(outer, function):
            return True
        return _is_state_name(outer, name, sequence, steps)
    if function.kind == "module":
        return True
    if len(binds) != 1 or binds[0].value is None or binds[0].kind != "assign" or not steps:
        return False
    return is_state(function, binds[0].value, binds[0].sequence, steps - 1)


def _is_given_away(maker: FunctionNode, inner: FunctionNode) -> bool:
    """Return whether a function gives one that is written in it: what it knows is fixed then."""
    return any(item.value == t.Name(inner.name) for item in maker.facts.results)


def _is_state_attribute(function: FunctionNode, test: t.Attr) -> bool:
    """Return whether an attribute is of a module's object, or an optional half of its own."""
    base = test.base
    while isinstance(base, t.Attr):
        test, base = base, base.base
    if not isinstance(base, t.Name):
        return False
    owner = function.owner
    if owner is not None and function.facts.params and function.facts.params[0].name == base.id:
        return _is_optional_half(owner, test.name)
    return is_module_name(function, base.id)


def is_module_name(function: FunctionNode, name: str) -> bool:
    scope: FunctionNode | None = function
    while scope is not None and scope.kind != "module":
        if name in scope.params or name in scope.binds:
            return False
        scope = scope.parent
    return True


def _is_optional_half(owner: ClassNode, attribute: str) -> bool:
    """Return whether only ``__init__`` sets an attribute, to a parameter that may be left out."""
    stores = owner.stores.get(attribute, [])
    if not stores:
        return False
    for maker, bind in stores:
        if maker.name != "__init__":
            return False
        value = bind.value
        if isinstance(value, t.Either):
            value = value.options[0]
        if isinstance(value, t.Const):
            continue
        param = maker.params.get(value.id) if isinstance(value, t.Name) else None
        if param is None or not isinstance(param.default, t.Const):
            return False
    return True


def _reads_environment(function: FunctionNode, value: t.Expr) -> bool:
    """Return whether a value is made of what the environment or the platform is."""
    while True:
        match value:
            case t.CallRef(index=index):
                value = function.facts.calls[index].callee
            case t.Attr(base=base, name=name):
                if name in ENVIRONMENT:
                    return True
                value = base
            case _:
                return isinstance(value, t.Name) and value.id in ENVIRONMENT
