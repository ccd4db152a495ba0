"""Count the queries of an application in FastAPI and SQLAlchemy: see ``query_counting.py``."""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from query_counting import Counts, Request, answer


def start() -> Callable[[Request], Counts]:
    """Return what counts the queries of a request, each on rows of its own."""
    folder = tempfile.mkdtemp()
    os.environ["CLINIC_DATABASE"] = str(Path(folder) / "clinic.db")
    from clinic.factories import populate
    from clinic.main import app
    from fastapi.testclient import TestClient
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    counting: list[Counts] = []
    clean: list[tuple[int, int]] = []

    @event.listens_for(Engine, "before_cursor_execute")
    def note(_connection: Any, _cursor: Any, sql: str, *_: Any) -> None:
        for counts in counting:
            counts.add(sql)

    client = TestClient(app)
    client.__enter__()

    def counts(request: Request) -> Counts:
        if clean[-1:] != [request.sizes]:
            populate(*request.sizes)
            clean.append(request.sizes)
        found = Counts()
        counting.append(found)
        headers = {"Content-Type": "application/json"}
        body = request.body or None
        response = client.request(request.method, request.path, content=body, headers=headers)
        counting.clear()
        if found.writes:
            clean.clear()
        found.status = response.status_code
        return found

    return counts


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    answer(start)
