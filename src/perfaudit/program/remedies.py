"""What to do about a call that blocks the loop: its asynchronous twin, or a worker thread."""

from collections import Counter
from collections.abc import Iterator, Sequence

from perfaudit.libraries.types import Offloader
from perfaudit.program import expressions
from perfaudit.program.blocking import Blocking
from perfaudit.program.nodes import FileNode, FunctionNode
from perfaudit.program.program import Program
from perfaudit.program.sites import WITH_KINDS, Edge, Site
from perfaudit.program.values import LibraryInstance

TWIN_NAMES = ("a{}", "async_{}", "{}_async")


class Remedies:
    """What suits the project: the packages that its files import decide between alternatives."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._imports = {file: _roots_of(file) for file in program.files}
        self._counts = Counter(root for roots in self._imports.values() for root in roots)

    def for_place(self, blocked: Blocking) -> str:
        """Return how to mend a place of a coroutine that blocks the loop, as sentences."""
        place = blocked.place
        caller = place.function
        offload = self.offloaded(caller, place)
        if isinstance(place, Edge):
            twin = _project_twin(self._program, place)
            if twin is not None:
                return f"Await `{twin.facts.qualname}`, the asynchronous twin."
        replaced = self._replacement(blocked)
        if not replaced or isinstance(place, Edge):
            # The plain function that a call leads to cannot await a twin.
            return _sentences(offload)
        ways = [offload, replaced]
        twin_path = self.twin_of(blocked.sink)
        if self._has(twin_path, blocked.sink.name) and not _keeps_state(blocked.sink, twin_path):
            ways.reverse()
        if place.effects == ("sleep",):
            ways = [replaced]
        return _sentences(*ways)

    def on_thread(self, function: FunctionNode, place: Site | Edge) -> str:
        """Return how a function hands what a place runs to a worker thread, as a sentence."""
        return _sentences(self.offloaded(function, place))

    def _has(self, twin: str, replaced: str) -> bool:
        """Return whether the project has the package of a twin already."""
        root = twin.partition(".")[0]
        standard = (
            found.imports for found in self._program.libraries.offloaders if found.is_standard
        )
        return (
            root == replaced.partition(".")[0]
            or self._counts[root] > 0
            or any(root in imports for imports in standard)
        )

    def offloaded(self, function: FunctionNode, place: Site | Edge) -> str:
        """Return how a function hands what a place runs to a worker thread, as half a sentence."""
        offloader = self._offloader(function.file)
        called = _called(function, place)
        if isinstance(place, Edge) and _is_entered(function, place):
            return "entering and leaving it belong on a worker thread, with what is done between"
        if offloader is None:
            return "run it on a worker thread"
        if isinstance(place, Edge) and place.callee.facts.is_generator:
            code = _filled(offloader.pattern, "function", "")
            return (
                "each step of it blocks: put the loop over what it gives into a plain function, "
                f"and run that on a thread: `{code}`"
            )
        if not called:
            code = _filled(offloader.pattern, "function", "")
            return f"put the work into a plain function and run that on a thread: `{code}`"
        given = place.call is not None and bool(place.call.arguments or place.call.keywords)
        return f"run it on a thread: `{_filled(offloader.pattern, called, '...' * given)}`"

    def twin_of(self, site: Site) -> str:
        """Return the asynchronous twin of what a site calls that suits its file, or nothing."""
        receiver = site.receiver
        path = receiver.path if isinstance(receiver, LibraryInstance) else ""
        twins = self._program.libraries.twins(site.behaviour, path)
        return self._suited(site.function.file, twins)

    def _replacement(self, blocked: Blocking) -> str:
        twin = self.twin_of(blocked.sink)
        return f"use the asynchronous `{twin}` in place of `{blocked.sink.name}`" if twin else ""

    def _suited(self, file: FileNode, twins: Sequence[str]) -> str:
        own = self._imports.get(file, frozenset())

        def fitness(twin: str) -> tuple[bool, int]:
            root = twin.partition(".")[0]
            return root in own, self._counts[root]

        return max(twins, key=fitness, default="")

    def _offloader(self, file: FileNode) -> Offloader | None:
        offloaders = self._program.libraries.offloaders
        own = self._imports.get(file, frozenset())
        for offloader in offloaders:
            if not own.isdisjoint(offloader.imports):
                return offloader
        standard = next((found for found in offloaders if found.is_standard), None)
        used = max(offloaders, key=self._uses, default=None)
        return used if used is not None and self._uses(used) else standard

    def _uses(self, offloader: Offloader) -> int:
        return max((self._counts[root] for root in offloader.imports), default=0)


def _keeps_state(site: Site, twin: str) -> bool:
    """Return whether a client has cookies and tokens that a twin of another package has not."""
    is_other = twin.partition(".")[0] != site.name.partition(".")[0]
    return is_other and site.receiver is not None and "http.request" in site.effects


def _sentences(*ways: str) -> str:
    text = ". Or ".join(ways)
    return f"{text[0].upper()}{text[1:]}."


def _filled(pattern: str, function: str, arguments: str) -> str:
    return pattern.format(function=function, arguments=arguments).replace(", )", ")")


def _roots_of(file: FileNode) -> frozenset[str]:
    return frozenset(
        item.module.partition(".")[0]
        for function in file.functions
        for item in function.facts.imports
        if not item.level
    )


def _called(function: FunctionNode, place: Site | Edge) -> str:
    """Return what a place calls, to be handed on uncalled; nothing where it is no plain call."""
    if isinstance(place, Edge) and place.via == "property":
        return f"lambda: {expressions.spelled(function, place.value)}"
    kind = place.kind if isinstance(place, Site) else place.via
    if kind != "call" or place.call is None:
        return ""
    called = expressions.spelled(function, place.call.callee)
    return "" if "()" in called or "..." in called else called


def _is_entered(function: FunctionNode, edge: Edge) -> bool:
    """Return whether a ``with`` enters the generator that an edge runs."""
    return edge.callee.facts.is_generator and any(
        context.kind in WITH_KINDS and edge.value in expressions.parts(function, context.subject)
        for context in function.facts.contexts
        if context.subject is not None
    )


def _project_twin(program: Program, edge: Edge) -> FunctionNode | None:
    """Return the coroutine that stands beside a plain function of the chain, by its name."""
    return next(iter(_twins_beside(program, edge.callee)), None)


def _twins_beside(program: Program, function: FunctionNode) -> Iterator[FunctionNode]:
    names = [pattern.format(function.name) for pattern in TWIN_NAMES]
    if function.name.endswith("_sync"):
        names.append(function.name.removesuffix("_sync"))
    for name in names:
        if function.owner is not None:
            found = program.types.classes.method(function.owner, name)
        else:
            beside = function.parent.inner.get(name, []) if function.parent is not None else []
            found = beside[-1] if beside else None
        if found is not None and found.is_async:
            yield found
