"""A load test for the audited service: a Locust file whose tasks are its own read endpoints."""

import re
from collections.abc import Iterable

from perfaudit.core.report import EndpointCard

# `{agent_id}`, `{path:path}`, `<agent_id>` and `<int:agent_id>`.
PARAMETER = re.compile(r"\{(\w+)(?::[^{}]*)?\}|<(?:\w+:)?(\w+)>")

TEMPLATE = '''\
"""Reads each endpoint in turn: `locust -f locustfile.py --host http://localhost:8000`."""

import random

from locust import HttpUser, between, task

# Identifiers that exist in the database under test.
VALUES = {{{values}}}

# From the code alone, no endpoint is known to be used more than another: repeat those that are.
ENDPOINTS = [
{endpoints}]


class Reader(HttpUser):
    wait_time = between(1, 3)

    @task
    def read(self):
        name, path = random.choice(ENDPOINTS)
        self.client.get(path.format(**VALUES), name=name)
'''


def locust_file(endpoints: Iterable[EndpointCard]) -> str:
    """Return a Locust file that reads the endpoints, or nothing where none can be read."""
    paths = sorted({card.path for card in endpoints if card.method.upper() == "GET" and card.path})
    if not paths:
        return ""
    names = sorted({name for path in paths for name in parameters(path)})

    return TEMPLATE.format(
        values=", ".join(f'{_quoted(name)}: "1"' for name in names),
        endpoints="".join(f"    ({_quoted(path)}, {_quoted(_pattern(path))}),\n" for path in paths),
    )


def parameters(path: str) -> list[str]:
    """Return the names of the parameters of a route, in order."""
    return [braced or angled for braced, angled in PARAMETER.findall(path)]


def _pattern(path: str) -> str:
    """Return the route as a format string: its parameters as fields, all else as it stands."""
    parts, end = [], 0
    for match in PARAMETER.finditer(path):
        parts += [_literal(path[end : match.start()]), f"{{{match[1] or match[2]}}}"]
        end = match.end()
    return "".join(parts) + _literal(path[end:])


def _literal(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _quoted(text: str) -> str:
    """Return the text as a Python string literal in ASCII."""
    escaped = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{escaped}"'
