"""Count the queries of the endpoints of an application that runs.

``python COUNTER.py FOLDER`` reads a list of requests from standard input, as JSON, runs them in
the application of the folder, and prints what each cost in the database.
"""

import json
import re
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass

READ = re.compile(r"\s*(?:SELECT|WITH)\b", re.IGNORECASE)
WRITE = re.compile(r"\s*(?:INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """One request, and of how many rows the application then has."""

    method: str
    path: str
    outer: int
    inner: int
    body: str = ""

    @property
    def sizes(self) -> tuple[int, int]:
        """Return how many rows there are of what is listed, and of what belongs to each."""
        return self.outer, self.inner


@dataclass
class Counts:
    """What a request asked the database. What only begins or ends a transaction is left out."""

    reads: int = 0
    writes: int = 0
    status: int = 0

    def add(self, sql: str) -> None:
        """Count one statement."""
        if READ.match(sql):
            self.reads += 1
        elif WRITE.match(sql):
            self.writes += 1


def answer(start: Callable[[], Callable[[Request], Counts]]) -> None:
    """Print what the requests of standard input cost in the application of the given folder."""
    sys.path.insert(0, sys.argv[1])
    counts = start()
    found = [asdict(counts(Request(**each))) for each in json.load(sys.stdin)]
    print(json.dumps(found))
