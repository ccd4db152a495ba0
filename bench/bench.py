"""Compare perfaudit's speed and memory with parsing alone and with bandit, side by side.

Each program runs in a process of its own over the same tree of released packages; what counts are
the ratios of one run, since machines differ. Prints a Markdown table.
"""

import argparse
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("celery==5.7.0", "fastapi==0.165.0", "starlette==1.10.0", "django==5.2.19")
LARGE = (*PACKAGES, "wagtail==8.0.1")
START_UPS = 10

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


@dataclass(frozen=True, slots=True)
class Run:
    """What one program cost."""

    name: str
    seconds: float
    megabytes: float
    code: int


def main() -> None:
    """Run everything once, and print the table."""
    arguments = _arguments()
    tree = _sources(arguments.cache, LARGE if arguments.large else PACKAGES)
    files = list(tree.rglob("*.py"))
    lines = sum(file.read_bytes().count(b"\n") for file in files)
    print(f"{lines:,} lines in {len(files):,} files; Python {platform.python_version()}, ", end="")
    print(f"{os.cpu_count()} cores, {arguments.jobs or 'all'} used.\n", flush=True)

    with tempfile.TemporaryDirectory() as scratch:
        runs = _runs(tree, Path(scratch), arguments)
    for run in runs:
        # bandit ends with 1 where it finds something; the others run with nothing to object to.
        if run.code not in ((0, 1) if run.name.startswith("bandit") else (0,)):
            sys.exit(f"{run.name} ended with exit code {run.code}.")
    print(_table(runs, lines))
    print()
    print(_start_up())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--cache",
        type=Path,
        default=_cache_folder(),
        help="where downloaded packages are kept (default: %(default)s)",
    )
    parser.add_argument("--large", action="store_true", help="about a million lines")
    parser.add_argument("--jobs", type=int, default=0, help="workers of perfaudit (default: all)")
    parser.add_argument("--no-bandit", action="store_true", help="leave out the slowest program")
    return parser.parse_args()


def _cache_folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "perfaudit-bench"


def _sources(cache: Path, packages: Sequence[str]) -> Path:
    """Return the folder of the unpacked packages, downloading those that are missing."""
    tree = cache / ("large" if packages == LARGE else "usual")
    tree.mkdir(parents=True, exist_ok=True)
    for package in packages:
        target = tree / package.replace("==", "-")
        if not target.is_dir():
            print(f"downloading {package}", file=sys.stderr)
            _unpack(_download(package, cache / "downloads"), target)
    return tree


def _download(package: str, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    name, _, version = package.partition("==")
    pattern = f"{name.replace('-', '?')}-{version}.tar.gz"
    if not list(folder.glob(pattern)):
        command = ["download", "--quiet", "--no-deps", "--no-binary", ":all:", package]
        subprocess.run([sys.executable, "-m", "pip", *command, "-d", str(folder)], check=True)
    return next(folder.glob(pattern))


def _unpack(archive: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent.parent) as scratch:
        with tarfile.open(archive) as contents:
            contents.extractall(scratch, filter="data")
        next(Path(scratch).iterdir()).rename(target)


def _runs(tree: Path, scratch: Path, arguments: argparse.Namespace) -> list[Run]:
    scan = [sys.executable, "-m", "perfaudit", "scan", str(tree)]
    scan += ["--exit-zero", "-f", "json", "--jobs", str(arguments.jobs)]
    settings = scratch / "perfaudit.toml"
    settings.write_text("")
    scan += ["--config", str(settings)]

    runs = [_measured("ast.parse, one core", [sys.executable, "-c", PARSE, str(tree)])]
    if not arguments.no_bandit:
        bandit = ["bandit", "-q", "-r", str(tree), "-f", "json", "-o", str(scratch / "bandit.json")]
        runs.append(_measured("bandit -r", [sys.executable, "-m", *bandit]))
    runs.append(_measured("perfaudit, cold", [*scan, "--no-cache"]))
    shutil.rmtree(tree / ".perfaudit_cache", ignore_errors=True)
    _measured("filling the cache", scan)
    runs.append(_measured("perfaudit, nothing changed", scan))
    with _one_file_changed(tree):
        runs.append(_measured("perfaudit, one file changed", scan))
    return runs


@contextmanager
def _one_file_changed(tree: Path) -> Iterator[None]:
    """Append a comment to the largest file, and take it away again."""
    file = max(tree.rglob("*.py"), key=lambda path: (path.stat().st_size, path))
    content = file.read_bytes()
    try:
        file.write_bytes(content + b"\n# changed\n")
        yield
    finally:
        file.write_bytes(content)


def _measured(name: str, command: Sequence[str]) -> Run:
    """Return the time of one process and the peak memory of its largest member."""
    print(f"running {name}", file=sys.stderr, flush=True)
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode != 0:
        print(said.decode("utf-8", "replace")[-2000:], file=sys.stderr)
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return Run(name, seconds, usage.ru_maxrss / unit, process.returncode)


def _table(runs: Sequence[Run], lines: int) -> str:
    parse = runs[0]
    bandit = next((run for run in runs if run.name.startswith("bandit")), None)
    rows = [
        "| program | seconds | lines/s | peak MB | x ast.parse | of bandit |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for run in runs:
        of_bandit = f"1/{bandit.seconds / run.seconds:.1f}" if bandit else "-"
        rows.append(
            f"| {run.name} | {run.seconds:.2f} | {lines / run.seconds:,.0f} "
            f"| {run.megabytes:.0f} | {run.seconds / parse.seconds:.2f} | {of_bandit} |"
        )
    return "\n".join(rows)


def _start_up() -> str:
    nothing = _quickest([sys.executable, "-c", "pass"])
    version = _quickest([sys.executable, "-m", "perfaudit", "--version"])
    return (
        f"`perfaudit --version` {version * 1000:.0f} ms, `python -c pass` {nothing * 1000:.0f} ms: "
        f"{version / nothing:.1f} times."
    )


def _quickest(command: Sequence[str]) -> float:
    times = []
    for _ in range(START_UPS):
        began = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    main()
