"""What running a program costs: time of clock and processors, and memory of all its processes."""

import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from os import wait4, waitstatus_to_exitcode
from pathlib import Path

STEP = 0.05
"""Seconds between two looks at the memory."""

PARSE = """
import ast, gc, sys
from pathlib import Path
gc.disable()
for path in Path(sys.argv[1]).rglob("*.py"):
    try:
        ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        pass
"""

EXTRACT = """
import gc, sys
from pathlib import Path
from perfaudit.extraction import extract
gc.disable()
data = Path(sys.argv[1]).read_bytes()
for _ in range(int(sys.argv[2])):
    extract("module.py", data)
"""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run cost. ``processor`` adds up all processes; ``phases`` are perfaudit's own."""

    name: str
    seconds: float
    processor: float
    megabytes: float
    phases: tuple[tuple[str, float], ...] = ()


def measured(name: str, command: Sequence[str], *, codes: frozenset[int] = frozenset({0})) -> Run:
    """Return what a command costs; ends the benchmark where its exit code is another one."""
    print(f"running {name}", file=sys.stderr, flush=True)
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        watch = _Memory(process.pid)
        watch.start()
        _, status, usage = wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = waitstatus_to_exitcode(status)
        watch.stop()
        said.seek(0)
        text = said.read().decode("utf-8", "replace")
    if process.returncode not in codes:
        sys.exit(f"{name} ended with exit code {process.returncode}:\n{text[-2000:]}")
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    peak = max(watch.peak, usage.ru_maxrss / unit)
    return Run(name, seconds, usage.ru_utime + usage.ru_stime, peak, _phases(text))


def quickest(command: Sequence[str], times: int = 20) -> float:
    """Return the shortest time that a command takes."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        taken.append(time.perf_counter() - began)
    return min(taken)


def instructions(file: Path) -> int | None:
    """Return how many instructions the extraction of one file takes, where valgrind is there."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        return None
    counts = []
    for times in (1, 3):
        command = [valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null"]
        command += [sys.executable, "-c", EXTRACT, str(file), str(times)]
        print(f"counting the instructions of {times}", file=sys.stderr, flush=True)
        told = subprocess.run(
            command, capture_output=True, text=True, check=False, env={"PYTHONHASHSEED": "0"}
        )
        found = re.search(r"Collected : (\d+)", told.stderr)
        if found is None:
            return None
        counts.append(int(found[1]))
    return (counts[1] - counts[0]) // 2


def _phases(text: str) -> tuple[tuple[str, float], ...]:
    found = re.search(r"phases: (.*)\.\n", text)
    parts = [part.split() for part in found[1].split(", ")] if found else []
    return tuple((phase, float(seconds)) for phase, seconds, _ in parts)


class _Memory(threading.Thread):
    """Looks at what a process and its children hold, shared pages in shares; on Linux only."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._ended = threading.Event()
        self.peak = 0.0

    def run(self) -> None:
        while not self._ended.wait(STEP):
            self.peak = max(self.peak, sum(map(_share, _family(self._pid))) / 1024)

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(member for child in children for member in _family(int(child)))]


def _share(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    found = re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)
    return int(found[1]) if found else 0
