"""Run programs and write down, as JSON, which of their lines made a running event loop wait.

``python recorder.py PROGRAM...`` runs the coroutine ``main`` of each program, a file or a folder
with a ``main.py``. Which functions wait, and when, is said by blockbuster; ``WAITS`` adds what it
does not watch. Nothing is kept from waiting: each wait on the thread of a loop is written down
with two lines, that of the coroutine on whose behalf the loop waits and that which waits itself.
"""

import asyncio
import builtins
import bz2
import ctypes
import hashlib
import importlib
import inspect
import io
import json
import sqlite3
import sys
import threading
import traceback
import types
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import forbiddenfruit
from blockbuster import BlockBuster, BlockBusterFunction

NAMES = frozenset(
    f"os.{name}"
    for name in [
        *("stat", "statvfs", "access", "readlink", "link", "symlink", "mkdir", "rmdir"),
        *("remove", "unlink", "rename", "replace", "path.ismount", "path.islink"),
    ]
)
"""What asks about a file's name and not for its content: one cheap question."""

WAIT_NOT = frozenset({"os.getcwd", "os.path.abspath", "os.path.samestat", "os.path.sameopenfile"})
"""What blockbuster watches though no disk is asked."""

COROUTINE = inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR

Line = tuple[str, int]
Note = Callable[[types.FrameType | None, bool], None]


WAITS = [
    (builtins, "open"),
    (io, "open"),
    (io.BufferedReader, "read1"),
    (io.BufferedReader, "readline"),
    (io.BufferedReader, "readlines"),
    (sqlite3, "connect"),
    (hashlib, "pbkdf2_hmac"),
    (hashlib, "scrypt"),
    (bz2, "compress"),
]
"""What blockbuster does not watch: the beginnings of what it watches, lines, and long sums."""


def _show_with_statements() -> None:
    """Let entering and leaving, which C does by itself, call what is watched."""

    def leave(connection: sqlite3.Connection, kind: object, *_: object) -> bool:
        connection.rollback() if kind else connection.commit()
        return False

    for kind, name, function in [
        (type(threading.Lock()), "__enter__", lambda lock: lock.acquire()),
        (sqlite3.Connection, "__exit__", leave),
    ]:
        forbiddenfruit.patchable_builtin(kind)[name] = function
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(kind))


@dataclass(frozen=True)
class Wait:
    """The line of a coroutine, or of what the loop called, and the line that waits for it.

    Where the coroutine only runs a function that it was given, ``giver`` is the line of the
    coroutine that gave it.
    """

    place: Line
    giver: Line | None
    sink: Line
    function: str
    cheap: bool


class Program:
    """One program, and what a loop waited for in it."""

    def __init__(self, path: Path) -> None:
        self.folder = path if path.is_dir() else path.parent
        self.module = "main" if path.is_dir() else path.stem
        self.waits: Counter[Wait] = Counter()

    def note(self, frame: types.FrameType | None, cheap: bool) -> None:
        """Write down the wait that goes on in a frame, if this program asked for it."""
        own = [found for found in _outwards(frame) if self._holds(found)]
        if own:
            coroutines = [found for found in own if found.f_code.co_flags & COROUTINE]
            asking = next(iter(coroutines), own[-1])
            giver = coroutines[1] if coroutines[1:] and _runs_given(asking, own) else None
            function = asking.f_code.co_qualname.replace(".<locals>", "")
            wait = Wait(
                self._line(asking),
                giver and self._line(giver),
                self._line(own[0]),
                f"{asking.f_globals['__name__']}.{function}",
                cheap,
            )
            self.waits[wait] += 1

    def run(self) -> None:
        """Import the program and run its main coroutine on a new loop."""
        before = set(sys.modules)
        sys.path.insert(0, str(self.folder))
        try:
            module = importlib.import_module(self.module)
            asyncio.run(module.main())
        finally:
            sys.path.remove(str(self.folder))
            for name in set(sys.modules) - before:
                if str(getattr(sys.modules[name], "__file__", "")).startswith(str(self.folder)):
                    del sys.modules[name]

    def _holds(self, frame: types.FrameType) -> bool:
        return Path(frame.f_code.co_filename).is_relative_to(self.folder)

    def _line(self, frame: types.FrameType) -> Line:
        path = Path(frame.f_code.co_filename).relative_to(self.folder)
        return path.as_posix(), frame.f_lineno


def _outwards(frame: types.FrameType | None) -> Iterator[types.FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _runs_given(asking: types.FrameType, own: list[types.FrameType]) -> bool:
    """Return whether a frame runs one of its arguments in the frames inside of it."""
    code = asking.f_code
    inside = {found.f_code for found in own[: own.index(asking)]}
    count = code.co_argcount + code.co_kwonlyargcount
    given = [asking.f_locals.get(name) for name in code.co_varnames[:count]]
    return any(getattr(value, "__code__", None) in inside for value in given)


@contextmanager
def watched(note: Note) -> Iterator[None]:
    """Tell ``note`` of each frame in which the thread of a running loop waits."""
    functions = _functions()
    for function in functions:
        function.can_block_predicate = _noting(function, note)
        function.activate()
    try:
        yield
    finally:
        for function in functions:
            function.deactivate()


def _functions() -> list[BlockBusterFunction]:
    known = BlockBuster().functions
    # One byte wakes the thread that feeds the processes of a pool: that pipe is never full.
    known["os.write"].can_block_in("concurrent/futures/process.py", "wakeup")
    allowed = [("linecache.py", {"updatecache"})]
    return [
        *(function for name, function in known.items() if name not in WAIT_NOT),
        *(BlockBusterFunction(*wait, can_block_functions=allowed) for wait in WAITS),
        BlockBusterFunction(threading.Thread, "join", can_block_predicate=_has_ended),
    ]


def _has_ended(thread: threading.Thread, *_: object, **__: object) -> bool:
    return not thread.is_alive()


def _noting(function: BlockBusterFunction, note: Note) -> Callable[..., bool]:
    """Return a predicate that lets every call pass, and tells of those that wait."""
    waits_not = function.can_block_predicate

    def passes(*args: object, **keywords: object) -> bool:
        frame = inspect.currentframe()
        if not waits_not(*args, **keywords) and not _is_allowed(function, frame):
            note(frame, function.full_name in NAMES)
        return True

    return passes


def _is_allowed(function: BlockBusterFunction, frame: types.FrameType | None) -> bool:
    return any(
        found.f_code.co_filename.endswith(file) and found.f_code.co_name in names
        for found in _outwards(frame)
        for file, names in function.can_block_functions
    )


def main(paths: list[str]) -> None:
    """Print what each of the programs at these paths waited for, or why it failed."""
    observed = {}
    for path in paths:
        program = Program(Path(path).resolve())
        failure = ""
        with watched(program.note):
            try:
                program.run()
            except Exception:
                failure = traceback.format_exc()
        waits = [{**asdict(wait), "times": times} for wait, times in program.waits.items()]
        waits.sort(key=str)
        observed[path] = {"waits": waits, "failure": failure}
    print(json.dumps(observed))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    _show_with_statements()
    main(sys.argv[1:])
