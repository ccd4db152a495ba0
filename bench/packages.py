"""The code that speed is measured on: released packages, pinned, from the registry."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Package:
    """A release: its source archive, with tests, or its wheel, which is what is shipped."""

    name: str
    version: str
    form: str

    @property
    def folder(self) -> str:
        return f"{self.name}-{self.version}"


DJANGO_CODE = (
    Package("django", "5.2.19", "source"),
    Package("wagtail", "8.0.1", "source"),
    Package("weblate", "5.14.3", "wheel"),
)
ALL = (
    *DJANGO_CODE,
    Package("fastapi", "0.165.0", "source"),
    Package("sqlalchemy", "2.1.9", "wheel"),
)
QUICK = (Package("fastapi", "0.165.0", "source"),)
GROWN = Package("celery", "5.7.0", "source")
"""The package whose copies make trees of 1, 2, 4 and 8 times the lines."""


def cache_folder() -> Path:
    """Return where downloaded packages are kept between runs."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "perfaudit-bench"


def tree_of(name: str, packages: Sequence[Package], cache: Path) -> Path:
    """Return a folder with these packages, downloading those that are missing."""
    tree = cache / "trees" / name
    tree.mkdir(parents=True, exist_ok=True)
    for package in packages:
        target = tree / package.folder
        if not target.is_dir():
            print(f"unpacking {package.folder}", file=sys.stderr, flush=True)
            _unpack(_downloaded(package, cache / "downloads"), target)
    return tree


def grown_tree(times: int, cache: Path) -> Path:
    """Return a tree of some copies of one package, each renamed: programs that do not meet."""
    (source,) = tree_of("grown-source", [GROWN], cache).iterdir()
    tree = cache / "trees" / f"grown-{times}"
    word = re.compile(rf"\b{GROWN.name}\b".encode())
    for number in range(times):
        name = f"{GROWN.name}_{number}"
        target = tree / name
        if target.is_dir():
            continue
        shutil.copytree(source / GROWN.name, target)
        for file in target.rglob("*.py"):
            file.write_bytes(word.sub(name.encode(), file.read_bytes()))
    return tree


def lines_of(tree: Path) -> tuple[int, int]:
    """Return how many lines and how many files of Python a tree has."""
    counts = [file.read_bytes().count(b"\n") for file in tree.rglob("*.py")]
    return sum(counts), len(counts)


def _downloaded(package: Package, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    suffix = "tar.gz" if package.form == "source" else "whl"
    pattern = f"{package.folder}*.{suffix}"
    if not list(folder.glob(pattern)):
        refused = "--no-binary" if package.form == "source" else "--only-binary"
        command = ["download", "--quiet", "--no-deps", refused, ":all:"]
        command += [f"{package.name}=={package.version}", "-d", str(folder)]
        subprocess.run([sys.executable, "-m", "pip", *command], check=True)
    return next(folder.glob(pattern))


def _unpack(archive: Path, target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent.parent) as scratch:
        place = Path(scratch) / "unpacked"
        place.mkdir()
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                wheel.extractall(place)
            place.rename(target)
            return
        with tarfile.open(archive) as contents:
            contents.extractall(place, filter="data")
        next(place.iterdir()).rename(target)
