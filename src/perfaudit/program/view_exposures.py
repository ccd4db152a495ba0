"""From where the pages of a view class are asked for, also where others share its methods."""

from typing import TYPE_CHECKING

from perfaudit.core.finding import TraceStep
from perfaudit.core.location import Location
from perfaudit.libraries.answers import Answers
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.exposure import Exposure, label_of
from perfaudit.program.nodes import ClassNode
from perfaudit.program.routes_texts import UNKNOWN_TEXT

if TYPE_CHECKING:
    from perfaudit.program.program import Program


def exposure_of_page(
    program: "Program", found: Exposure, view: ClassNode | None, location: Location
) -> Exposure:
    """Return from where what is shown at a place is asked for: by the routes of its view class.

    ``found``: how the function is reached that shows it, which other classes may have as well.
    """
    if view is None or (found.endpoint and location != view.location):
        return found
    own = program.once(_endpoints_of_views).get(view)
    return exposure_of_view(own[0], view) if own else _without_route(found)


def exposure_of_list(
    program: "Program", found: Exposure, words: Answers, view: ClassNode
) -> Exposure:
    """Return from where the rows of a view class are asked for that a library lists.

    ``found``: how the function is reached that gives them, which other classes may have as well.
    """
    known = program.once(_endpoints_of_views).get(view, ())
    for endpoint in known:
        if _lists(words, endpoint):
            return exposure_of_view(endpoint, view)
    return Exposure("endpoint") if known else _without_route(found)


def _without_route(found: Exposure) -> Exposure:
    """Return how a function is reached, but not by the route: that is one of another class."""
    return Exposure(found.kind) if found.endpoint else found


def may_list(program: "Program", words: Answers, view: ClassNode) -> bool:
    """Return whether a route asks for the list of a view class, or not all of them are known."""
    known = program.once(_endpoints_of_views).get(view, ())
    is_routed = any(not endpoint.path.startswith(UNKNOWN_TEXT) for endpoint in known)
    return not is_routed or any(_lists(words, endpoint) for endpoint in known)


def _lists(words: Answers, endpoint: Endpoint) -> bool:
    return any(
        view.many and endpoint.method == view.method and endpoint.action in ("", view.action)
        for view in words.views.values()
    )


def _endpoints_of_views(program: "Program") -> dict[ClassNode, list[Endpoint]]:
    found: dict[ClassNode, list[Endpoint]] = {}
    ordered = sorted(program.endpoints, key=lambda endpoint: _is_for_others(program, endpoint))
    for endpoint in ordered:
        view = endpoint.answering
        if view is not None:
            found.setdefault(view, []).append(endpoint)
    return found


def exposure_of_view(endpoint: Endpoint, view: ClassNode) -> Exposure:
    """Return how an endpoint asks for a view class itself, whatever its methods are."""
    label = label_of(endpoint)
    step = TraceStep(view.location, f"{label} enters {view.name}")
    return Exposure("endpoint", label, endpoint.handler, (step,))


def _is_for_others(program: "Program", endpoint: Endpoint) -> tuple[bool, bool, bool]:
    """Return what an endpoint is for besides the rows of its view: the first has the least of it.

    A method that a decorator of its own makes a route shows what it likes.
    """
    is_beside = any(program.libraries.route(path) is not None for path in endpoint.decorators)
    return endpoint.method != "GET", is_beside, endpoint.path.rstrip("/").endswith("}")
