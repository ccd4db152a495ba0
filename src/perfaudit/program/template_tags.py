"""The tags and filters that the project adds to the language of its templates."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from perfaudit.facts import types as t
from perfaudit.program.class_values import texts_of
from perfaudit.program.decorators import decorators_of
from perfaudit.program.expressions import argument
from perfaudit.program.given_names import Names, names_in
from perfaudit.program.nodes import FunctionNode
from perfaudit.program.values import LibraryMethod, LibrarySymbol, Type, options_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

ValueT = TypeVar("ValueT")


class TemplateTag(Struct, frozen=True):
    """A function that templates call by name; ``template`` is what it renders, if anything.

    ``takes_context``: its first parameter is given by the library.
    """

    function: FunctionNode
    template: str
    takes_context: bool

    def bound(self, arguments: Sequence[ValueT], keywords: dict[str, ValueT]) -> dict[str, ValueT]:
        """Return the arguments by the names of the parameters."""
        params = [param.name for param in self.function.facts.params]
        return {**dict(zip(params[self.takes_context :], arguments, strict=False)), **keywords}

    def names(self, program: "Program") -> Names:
        """Return the names that its template is given: those of the dictionary it returns."""
        found: Names = {}
        for item in self.function.facts.results:
            if item.value is not None:
                at = (item.sequence, item.context)
                for name, values in names_in(program, self.function, item.value, at).items():
                    found.setdefault(name, []).extend(values)
        return found


def template_tags(program: "Program") -> dict[str, TemplateTag]:
    """Return the tags by name; ask for them with ``program.once``."""
    found: dict[str, TemplateTag] = {}
    several: set[str] = set()
    entries = program.libraries.templates.tags
    if not entries:
        return found
    for function in program.functions:
        if not function.facts.decorators or function.owner is not None:
            continue
        outer = function.parent or function
        for decorator, call in decorators_of(program.types, function):
            entry = next((entries[path] for path in _paths(decorator) if path in entries), None)
            if entry is None:
                continue
            template, name, takes = "", function.name, False
            if call is not None:
                at = (call.sequence, call.context)
                given = argument(call, entry.template)
                texts = [] if given is None else texts_of(program.types, outer, given, at)
                template = texts[0] if len(texts) == 1 else ""
                keywords = dict(call.keywords)
                named = keywords.get("name")
                if isinstance(named, t.Const) and isinstance(named.value, str):
                    name = named.value
                wanted = keywords.get("takes_context", t.Const(False, "bool"))
                takes = not (isinstance(wanted, t.Const) and wanted.value is False)
            other = found.get(name)
            if other is not None and other.function is not function:
                several.add(name)
            found[name] = TemplateTag(function, template, takes)
    # Which of several libraries a template has loaded is not known.
    return {name: tag for name, tag in found.items() if name not in several}


def _paths(decorator: Type) -> list[str]:
    return [
        option.path if isinstance(option, LibrarySymbol) else option.behaviour.path
        for option in options_of(decorator)
        if isinstance(option, LibrarySymbol | LibraryMethod)
    ]
