"""The strongly connected parts of a call graph."""

from collections.abc import Iterator

from perfaudit.program.nodes import FunctionNode


def rings(calls: dict[FunctionNode, list[FunctionNode]]) -> Iterator[list[FunctionNode]]:
    """Yield the strongly connected parts of a call graph, callees first.

    This is Tarjan's algorithm, without recursion: chains of calls may be longer than the stack.
    """
    number: dict[FunctionNode, int] = {}
    lowest: dict[FunctionNode, int] = {}
    open_: list[FunctionNode] = []
    is_open: set[FunctionNode] = set()
    for start in calls:
        if start in number:
            continue
        work: list[tuple[FunctionNode, Iterator[FunctionNode]]] = [(start, iter(calls[start]))]
        number[start] = lowest[start] = len(number)
        open_.append(start)
        is_open.add(start)
        while work:
            function, callees = work[-1]
            callee = next((item for item in callees if item not in number or item in is_open), None)
            if callee is not None and callee not in number:
                number[callee] = lowest[callee] = len(number)
                open_.append(callee)
                is_open.add(callee)
                work.append((callee, iter(calls[callee])))
            elif callee is not None:
                lowest[function] = min(lowest[function], number[callee])
            else:
                work.pop()
                if work:
                    caller = work[-1][0]
                    lowest[caller] = min(lowest[caller], lowest[function])
                if lowest[function] == number[function]:
                    ring = _cut_off(open_, function)
                    is_open.difference_update(ring)
                    yield ring


def _cut_off(stack: list[FunctionNode], function: FunctionNode) -> list[FunctionNode]:
    """Take the function and what lies above it off the stack."""
    taken = [stack.pop()]
    while taken[-1] is not function:
        taken.append(stack.pop())
    return taken
