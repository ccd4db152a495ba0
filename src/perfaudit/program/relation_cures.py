"""How the query of rows loads a path of relations with them, in the words of their library."""

from typing import TYPE_CHECKING

from perfaudit.program.nodes import ClassNode

if TYPE_CHECKING:
    from perfaudit.program.program import Program


def cure_of(program: "Program", row: ClassNode, path: tuple[str, ...]) -> str:
    """Return the call that loads a path of relations with rows of a class, empty if not known."""
    bases = program.types.classes.library_bases(row)
    words = next(
        (found for base in bases if (found := program.libraries.queries(base)) is not None), None
    )
    if words is None or not words.join or not path:
        return ""
    steps: list[str] = []
    many = False
    node: ClassNode | None = row
    for name in path:
        relation = None if node is None else program.schema.relation(node, name)
        if node is None or relation is None:
            return ""
        many = many or relation.many
        steps.append(words.path_each.replace("{class}", node.name).replace("{relation}", name))
        node = relation.target
    pattern = words.prefetch if many else words.join
    return pattern.replace("{path}", words.path_between.join(steps))
