"""Measure perfaudit's speed and memory beside bandit, ruff and parsing alone, in one run.

Each program runs in a process of its own over the same tree of released packages; what counts are
the ratios of one run, since machines differ. Prints a page of Markdown.
"""

import argparse
import compileall
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from edits import Edit, edits_of
from measuring import PARSE, Run, instructions, measured, quickest
from packages import ALL, DJANGO_CODE, QUICK, cache_folder, grown_tree, lines_of, tree_of
from page import Growth, Measured, Tree, page

import perfaudit

SIZES = (1, 2, 4, 8)
COUNTED = "django-5.2.19/django/db/models/query.py"
"""The file whose extraction is counted in instructions."""


def main() -> None:
    """Run everything once, and print the page, or write it."""
    arguments = _arguments()
    # As an installation does: this one may be of sources whose bytecode nobody has written.
    compileall.compile_dir(Path(perfaudit.__file__).parent, quiet=2)
    sets = {"quick": QUICK} if arguments.quick else {"all": ALL, "django": DJANGO_CODE}
    with tempfile.TemporaryDirectory() as scratch:
        trees = []
        for name, packages in sets.items():
            tree = tree_of(name, packages, arguments.cache)
            lines, files = lines_of(tree)
            edits = [] if name == "django" else edits_of(tree)
            runs = _runs(tree, Path(scratch), edits)
            names = tuple(f"{package.name} {package.version}" for package in packages)
            places = ((edit.name, edit.file.relative_to(tree).as_posix()) for edit in edits)
            trees.append(Tree(names, lines, files, tuple(runs), tuple(places)))
        growth = () if arguments.quick else tuple(_growth(arguments.cache, Path(scratch)))
    counted = None if arguments.quick else _instructions(arguments.cache)
    nothing = quickest([sys.executable, "-c", "pass"])
    version = quickest([sys.executable, "-m", "perfaudit", "--version"])
    told = f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()}"
    text = page(Measured(told, tuple(trees), growth, nothing, version, counted))
    if arguments.output is None:
        print(text, end="")
    else:
        arguments.output.write_text(text, "utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument(
        "--cache",
        type=Path,
        default=cache_folder(),
        help="where downloaded packages are kept (default: %(default)s)",
    )
    parser.add_argument("--quick", action="store_true", help="one small package, and no growth")
    parser.add_argument("--output", type=Path, help="the page to write, instead of printing it")
    return parser.parse_args()


def _runs(tree: Path, scratch: Path, edits: Sequence[Edit]) -> Iterator[Run]:
    """Yield the runs over one tree; without edits only cold beside the others."""
    yield measured("ast.parse, one core", [sys.executable, "-c", PARSE, str(tree)])
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--exit-zero"]
    yield measured("ruff check", [*ruff, "--quiet", str(tree)])
    bandit = ["bandit", "-q", "-r", str(tree), "-f", "json", "-o", str(scratch / "bandit.json")]
    # It ends with 1 where it finds something.
    yield measured("bandit -r", [sys.executable, "-m", *bandit], codes=frozenset({0, 1}))
    shutil.rmtree(tree / ".perfaudit_cache", ignore_errors=True)
    scan = _scan(tree, scratch, "--jobs", "2")
    yield measured("perfaudit, cold, 2 workers", scan)
    if not edits:
        return
    yield measured("perfaudit, nothing changed", scan)
    for edit in edits:
        with edit.made():
            yield measured(f"perfaudit, one file changed: {edit.name}", scan)
    yield measured("perfaudit, cold, 1 worker", _scan(tree, scratch, "--no-cache", "--jobs", "1"))


def _scan(tree: Path, scratch: Path, *options: str) -> Sequence[str]:
    settings = scratch / "perfaudit.toml"
    settings.write_text("")
    command = [sys.executable, "-m", "perfaudit", "scan", str(tree), "--verbose", "--exit-zero"]
    return [*command, "-f", "json", "--config", str(settings), *options]


def _growth(cache: Path, scratch: Path) -> Iterator[Growth]:
    for times in SIZES:
        tree = grown_tree(times, cache)
        scan = _scan(tree, scratch, "--no-cache", "--jobs", "1")
        yield Growth(times, lines_of(tree)[0], measured(f"perfaudit, {times}x", scan))


def _instructions(cache: Path) -> tuple[str, int, int] | None:
    """Return a file, its lines, and the instructions that its extraction takes."""
    file = cache / "trees" / "all" / COUNTED
    count = instructions(file)
    return None if count is None else (COUNTED, file.read_bytes().count(b"\n"), count)


if __name__ == "__main__":
    main()
