"""Which functions make the objects of a class, and whether an entry point is seen to get there."""

from typing import TYPE_CHECKING

from perfaudit.program.exposure import NOT_SERVED
from perfaudit.program.nodes import ClassNode, FunctionNode
from perfaudit.program.values import ClassType

if TYPE_CHECKING:
    from perfaudit.program.program import Program


def is_made_aside(program: "Program", node: ClassNode) -> bool:
    """Return whether objects of a class are made only where no entry point is seen to lead."""
    makers = [
        maker
        for each in (node, *program.types.classes.subclasses(node))
        for maker in program.once(_makers).get(each, ())
        if maker.owner is not each
    ]
    return bool(makers) and all(
        maker.kind != "module" and program.kind_of_exposure(maker) in NOT_SERVED for maker in makers
    )


def _makers(program: "Program") -> dict[ClassNode, list[FunctionNode]]:
    found: dict[ClassNode, list[FunctionNode]] = {}
    for function in program.functions:
        for index in range(len(function.facts.calls)):
            callee = program.types.call(function, index).callee
            if isinstance(callee, ClassType):
                found.setdefault(callee.node, []).append(function)
    return found
