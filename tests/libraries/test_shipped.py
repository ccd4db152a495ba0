"""The library files that come with perfaudit agree with each other."""

from collections.abc import Iterator

from perfaudit.data import rules_root
from perfaudit.libraries import load_libraries
from perfaudit.libraries.types import Behaviour, Library, TypeExpr

LIBRARIES = load_libraries([rules_root() / "libraries"])


def test_every_named_type_of_a_known_package_is_described() -> None:
    missing = {
        (library.file, name)
        for library in LIBRARIES.libraries
        for expression in expressions_of(library)
        for name in names_of(expression)
        if "." in name and LIBRARIES.known_prefix(name) and LIBRARIES.type(name) is None
    }
    assert missing == set()


def test_every_base_of_a_known_package_is_described() -> None:
    missing = {
        (library.file, base)
        for library in LIBRARIES.libraries
        for described in library.types.values()
        for base in described.bases
        if LIBRARIES.known_prefix(base) and LIBRARIES.type(base) is None
    }
    assert missing == set()


def test_every_described_name_is_of_a_known_package() -> None:
    foreign = {
        (library.file, name)
        for library in LIBRARIES.libraries
        for name in (*library.functions, *library.types, *library.values, *library.pools)
        if not LIBRARIES.known_prefix(name)
    }
    assert foreign == set()


def test_every_file_has_an_example() -> None:
    assert [library.file for library in LIBRARIES.libraries if not library.examples] == []


def expressions_of(library: Library) -> Iterator[TypeExpr]:
    yield from library.values.values()
    for behaviour in library.functions.values():
        yield from results_of(behaviour)
    for described in library.types.values():
        yield from described.attributes.values()
        yield from described.class_attributes.values()
        for behaviour in described.methods.values():
            yield from results_of(behaviour)
        for expression in (described.iterates, described.enters, described.items):
            if expression is not None:
                yield expression


def results_of(behaviour: Behaviour) -> Iterator[TypeExpr]:
    for expression in (behaviour.returns, behaviour.enters):
        if expression is not None:
            yield expression


def names_of(expression: TypeExpr) -> Iterator[str]:
    if expression.kind == "named":
        yield expression.name
    for argument in expression.arguments:
        yield from names_of(argument)
