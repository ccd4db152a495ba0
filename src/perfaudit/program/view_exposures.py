"""From where the pages of a view class are asked for, also where others share its methods."""

from typing import TYPE_CHECKING

from perfaudit.core.finding import TraceStep
from perfaudit.core.location import Location
from perfaudit.program.endpoints import Endpoint
from perfaudit.program.exposure import Exposure, label_of
from perfaudit.program.nodes import ClassNode

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
    own = program.once(_exposures_of_views).get(view)
    if own is None and found.endpoint:
        # The route is that of another class.
        return Exposure(found.kind)
    return own or found


def _exposures_of_views(program: "Program") -> dict[ClassNode, Exposure]:
    found: dict[ClassNode, Exposure] = {}
    ordered = sorted(program.endpoints, key=lambda endpoint: _is_for_others(program, endpoint))
    for endpoint in ordered:
        view = endpoint.view or endpoint.handler.owner
        if view is not None and view not in found:
            found[view] = exposure_of_view(endpoint, view)
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
