"""Who reads files in place of this machine: executors that the command line names by address."""

import re
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from perfaudit.cache import facts_version
from perfaudit.core.errors import UsageError

CONNECT_SECONDS = 5
SAME_EVERYWHERE = "install the same perfaudit and Python on all machines."
_ADDRESS = re.compile(r"dask://([^\s/:\[\]]+|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})/?")


def checked_address(address: str) -> str:
    """Return an address that ``executor_at`` understands. Raises UsageError for another one."""
    if not _ADDRESS.fullmatch(address):
        raise UsageError(f"--executor {address}: write dask://HOST:PORT, that of a scheduler.")
    return address


@contextmanager
def executor_at(address: str) -> Iterator[Executor | None]:
    """Yield the executor at an address, or None for an empty one; it is left at the end.

    Raises UsageError where nobody is there, or somebody with another perfaudit.
    """
    if not address:
        yield None
        return
    client = _connected(address)
    try:
        _check_members(address, client)
        yield client.get_executor()
    finally:
        client.close()


def _connected(address: str) -> Any:
    try:
        import distributed
    except ImportError as fault:
        raise UsageError(
            f"--executor {address}: dask is not installed: pip install 'perfaudit[dask]'."
        ) from fault
    connect: Any = distributed.Client
    place = address.removeprefix("dask://").rstrip("/")
    try:
        return connect(f"tcp://{place}", timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as fault:
        raise UsageError(f"--executor {address}: no scheduler answers there.") from fault


def _check_members(address: str, client: Any) -> None:
    """Raise UsageError where a worker would say other facts, or none."""
    workers = client.run(facts_version, on_error="return")
    if not workers:
        raise UsageError(f"--executor {address}: the scheduler has no workers: start some.")
    for name, version in (*_scheduler(client), *sorted(workers.items())):
        if isinstance(version, Exception):
            fault = " ".join(str(version).split())
            raise UsageError(
                f"--executor {address}: {name} cannot run perfaudit: {fault}; {SAME_EVERYWHERE}"
            )
        if version != facts_version():
            raise UsageError(
                f"--executor {address}: {name} has perfaudit {version}, and here is "
                f"{facts_version()}: {SAME_EVERYWHERE}"
            )


def _scheduler(client: Any) -> Iterator[tuple[str, str | Exception]]:
    """Yield what the scheduler has: it unpacks what the workers are given."""
    try:
        yield "the scheduler", client.run_on_scheduler(facts_version)
    except Exception as fault:
        yield "the scheduler", fault
