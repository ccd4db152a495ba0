"""Equal texts of many facts as one object, since names are written again and again."""

from msgspec import Struct
from msgspec.structs import fields, force_setattr

from perfaudit.facts import types as t


def share_texts(facts: t.FileFacts, known: dict[str, str]) -> None:
    """Make equal texts in facts the same object as those in ``known``, and add the others there.

    What is compared and hashed all the time then takes less memory, and its hash is known. This
    changes no value, so that it may be done to facts that nobody else holds yet.
    """
    waiting: list[object] = [facts]
    while waiting:
        item = waiting.pop()
        if isinstance(item, tuple):
            waiting += item
            continue
        if not isinstance(item, Struct):
            continue
        texts, others = _FIELDS[type(item)]
        for name in texts:
            text = getattr(item, name)
            shared = known.setdefault(text, text)
            if shared is not text:
                force_setattr(item, name, shared)
        for name in others:
            value = getattr(item, name)
            if value:
                waiting.append(value)


def _fields(kind: type[Struct]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the fields of a kind of facts that are texts, and those that may hold more facts."""
    told = {field.name: field.type for field in fields(kind)}
    texts = tuple(name for name, type_ in told.items() if type_ is str)
    plain = {str, int, bool}
    return texts, tuple(name for name, type_ in told.items() if type_ not in plain)


_FIELDS: dict[type, tuple[tuple[str, ...], tuple[str, ...]]] = {
    kind: _fields(kind)
    for kind in vars(t).values()
    if isinstance(kind, type) and issubclass(kind, Struct) and kind is not Struct
}
