"""Equal parts of many facts as one object, since names are written again and again."""

from msgspec import Struct
from msgspec.structs import fields, force_setattr

from perfaudit.facts import types as t

Known = dict[object, object]

_SMALL = (t.Name, t.CallRef)
_IDENTIFIED: dict[type, frozenset[str]] = {t.Bind: frozenset({"value"})}
"""Fields whose values are told apart although they are equal."""


def share_parts(facts: t.FileFacts, known: Known) -> None:
    """Make equal texts, numbers and small expressions the same object as those in ``known``.

    The others are added there. What is compared and hashed all the time then takes less memory, and
    the hash of a text is known. This changes no value, so that it may be done to facts that nobody
    else holds yet.
    """
    waiting: list[object] = [facts]
    while waiting:
        item = waiting.pop()
        if isinstance(item, tuple):
            waiting += item
            continue
        if not isinstance(item, Struct):
            continue
        plain, small, others = _FIELDS[type(item)]
        for name in plain:
            value = getattr(item, name)
            shared = known.setdefault(value, value)
            if shared is not value:
                force_setattr(item, name, shared)
        for name in small:
            value = getattr(item, name)
            kind = type(value)
            if kind in _SMALL or (kind is t.Attr and type(value.base) in _SMALL):
                shared = known.setdefault(value, value)
                if shared is not value:
                    force_setattr(item, name, shared)
                    continue
            if value:
                waiting.append(value)
        for name in others:
            value = getattr(item, name)
            if value:
                waiting.append(value)


def _fields(kind: type[Struct]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return the fields of a kind of facts that are texts or numbers, expressions, and others."""
    told = {field.name: field.type for field in fields(kind)}
    plain = tuple(name for name, type_ in told.items() if type_ in (str, int))
    left = [name for name, type_ in told.items() if type_ not in (str, int, bool)]
    apart = _IDENTIFIED.get(kind, frozenset())
    small = tuple(name for name in left if _is_expression(told[name]) and name not in apart)
    return plain, small, tuple(name for name in left if name not in small)


def _is_expression(type_: object) -> bool:
    return t.Name in getattr(type_, "__args__", ())


_FIELDS: dict[type, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    kind: _fields(kind)
    for kind in vars(t).values()
    if isinstance(kind, type) and issubclass(kind, Struct) and kind is not Struct
}
