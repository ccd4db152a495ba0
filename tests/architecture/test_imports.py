"""Who may import whom, what only the command line may do, and where libraries may be named."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from perfaudit.data import rules_root

SOURCES = Path(__file__).parents[2] / "src" / "perfaudit"
FILES = sorted(SOURCES.rglob("*.py"))

MAY_IMPORT: dict[str, set[str]] = {
    "core": set(),
    "data": {"core"},
    "sources": {"core"},
    "facts": {"core", "sources"},
    "libraries": {"core", "data"},
    "program": {"core", "facts", "libraries", "sources"},
    "detectors": {"core", "facts", "libraries", "program", "sources"},
    "rules": {
        "audit", "config", "core", "data", "detectors", "facts", "libraries", "program", "sources",
    },
    "scoring": {"core", "data"},
    "reporters": {"core"},
    "config": {"core"},
    "cache": {"core", "sources"},
    "executors": {"cache", "core"},
    "fixes": {"core", "sources"},
    "extraction": {"core", "sources", "facts", "cache"},
    "run_key": {"config", "data", "sources", "__init__"},
    "runs": {
        "audit", "cache", "config", "core", "data", "extraction", "rules", "run_key", "sources",
    },
    "audit": {
        "cache", "config", "core", "data", "executors", "extraction", "libraries", "program",
        "rules", "runs", "scoring", "sources", "facts",
    },
    "cli": {
        "audit", "config", "core", "data", "executors", "extraction", "facts", "fixes", "libraries",
        "program", "reporters", "rules", "runs", "scoring", "sources",
    },
    "__main__": {"cli"},
    "__init__": set(),
}  # fmt: skip
"""Parts of the package, and the parts that each may import; ``rules.harness`` alone runs audits."""

OUTSIDE: dict[str, set[str]] = {
    "click": {"cli"},
    "distributed": {"executors"},
    "rich": {"reporters"},
    "yaml": {"data", "scoring", "sources"},
    "sqlglot": {"program"},
    "libcst": {"fixes", "sources"},
    "astroid": {"program"},
    "pathspec": {"sources"},
    "msgspec": {"cache", "extraction", "facts", "libraries", "program"},
}
"""Packages of others, and the only parts that use them."""

FILE_MODULES = frozenset({"io", "os", "pathlib", "shutil", "tempfile", "subprocess", "socket"})
FILE_CALLS = frozenset({"open", "exec", "eval", "compile", "__import__", "breakpoint"})
TALKING = frozenset({"print", "input", "exit", "quit", "breakpoint"})
TALKING_ATTRIBUTES = frozenset(
    {"sys.exit", "sys.stdout", "sys.stderr", "sys.argv", "os.environ", "os.getenv", "os._exit"}
)
RUNNING = frozenset({"exec", "eval", "__import__", "compile"})
RUNNING_MODULES = frozenset({"runpy", "subprocess", "imp", "pickle", "marshal", "shelve", "socket"})
SPEAKS_OF_LIBRARIES = ("program", "detectors", "facts")
ORDINARY_WORDS = frozenset(
    {"array", "attr", "builtins", "databases", "files", "instructor", "requests", "yaml"}
    | {"clickhouse", "docker", "jwt", "kubernetes", "mysql"}
)
"""Names of library files that are words of ours as well, or names of servers and formats."""


def name_of(file: Path) -> str:
    parts = file.relative_to(SOURCES.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text("utf-8"))


def imports(file: Path, *, inner: bool = True) -> Iterator[tuple[str, int]]:
    """Yield the modules that a file imports, with lines; those for the type checker are not."""
    modules = {name_of(each) for each in FILES}
    pending: list[ast.AST] = [tree_of(file)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending.extend(node.orelse)
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield (whole if whole in modules else node.module or ""), node.lineno
        if inner or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            pending.extend(ast.iter_child_nodes(node))


def relative(file: Path) -> str:
    return file.relative_to(SOURCES).as_posix()


def test_the_package_is_all_there() -> None:
    assert len(FILES) > 60
    assert {part_of(name_of(file)) for file in FILES} - {"__init__"} <= MAY_IMPORT.keys()


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_imports_point_one_way(file: Path) -> None:
    part = part_of(name_of(file))
    allowed = MAY_IMPORT[part] | {part}
    wrong = [
        f"{relative(file)}:{line}: {part} imports {module}"
        for module, line in imports(file)
        if module.startswith("perfaudit.") and part_of(module) not in allowed
    ]

    assert wrong == []


def test_only_the_harness_of_rules_runs_audits() -> None:
    users = {
        relative(file)
        for file in FILES
        if part_of(name_of(file)) == "rules"
        for module, _ in imports(file)
        if part_of(module) == "audit" and module.startswith("perfaudit.")
    }

    assert users <= {"rules/harness.py"}


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_each_package_of_others_has_its_place(file: Path) -> None:
    part = part_of(name_of(file))
    wrong = [
        f"{relative(file)}:{line}: {part} imports {module}"
        for module, line in imports(file)
        if part not in OUTSIDE.get(module.partition(".")[0], {part})
    ]

    assert wrong == []


def test_a_stored_report_is_shown_without_loading_the_analysis() -> None:
    loaded: set[str] = set()
    waiting = ["perfaudit.cli.scan", "perfaudit.cli.endpoints", "perfaudit.cli.baseline"]
    files = {name_of(file): file for file in FILES}
    while waiting:
        module = waiting.pop()
        if module in loaded or module not in files:
            continue
        loaded.add(module)
        waiting.append(module.rpartition(".")[0])
        waiting += [name for name, _ in imports(files[module], inner=False)]

    assert "perfaudit.runs" in loaded
    assert {part_of(module) for module in loaded}.isdisjoint({"audit", "libraries", "program"})


def test_no_modules_import_each_other_in_a_ring() -> None:
    graph = {
        name_of(file): sorted(
            {module for module, _ in imports(file, inner=False) if module.startswith("perfaudit.")}
        )
        for file in FILES
    }

    assert rings(graph) == []


def rings(graph: dict[str, list[str]]) -> list[list[str]]:
    """Return the ways through the graph that end where they began."""
    done: set[str] = set()
    found: list[list[str]] = []

    def follow(name: str, way: list[str]) -> None:
        if name in way:
            found.append([*way[way.index(name) :], name])
            return
        if name in done:
            return
        for other in graph.get(name, ()):
            follow(other, [*way, name])
        done.add(name)

    for name in sorted(graph):
        follow(name, [])
    return found


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        ({"a": ["b"], "b": ["c"], "c": []}, []),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, [["b", "c", "b"]]),
    ],
)
def test_a_ring_would_be_found(graph: dict[str, list[str]], found: list[list[str]]) -> None:
    assert rings(graph) == found


@pytest.mark.parametrize(
    "file", [file for file in FILES if part_of(name_of(file)) != "cli"], ids=relative
)
def test_only_the_command_line_talks(file: Path) -> None:
    wrong = [
        f"{relative(file)}:{line}: {spelled}"
        for spelled, line in names_used(file)
        if spelled in TALKING_ATTRIBUTES or spelled in {f"{name}()" for name in TALKING}
    ]

    assert wrong == []


@pytest.mark.parametrize("file", FILES, ids=relative)
def test_nothing_runs_what_is_read(file: Path) -> None:
    wrong = [
        f"{relative(file)}:{line}: {spelled}"
        for spelled, line in names_used(file)
        if spelled in {f"{name}()" for name in RUNNING}
    ]
    wrong += [
        f"{relative(file)}:{line}: imports {module}"
        for module, line in imports(file)
        if module.partition(".")[0] in RUNNING_MODULES
    ]

    assert wrong == []


@pytest.mark.parametrize("package", ["detectors", "program", "facts", "scoring", "reporters"])
def test_what_judges_reaches_no_files(package: str) -> None:
    wrong = []
    for file in sorted((SOURCES / package).rglob("*.py")):
        if relative(file) in ("scoring/weights.py", "reporters/terminal.py"):
            continue
        wrong += [
            f"{relative(file)}:{line}: imports {module}"
            for module, line in imports(file)
            if module.partition(".")[0] in FILE_MODULES
        ]
        wrong += [
            f"{relative(file)}:{line}: {spelled}"
            for spelled, line in names_used(file)
            if spelled in {f"{name}()" for name in FILE_CALLS}
        ]

    assert wrong == []


def names_used(file: Path) -> Iterator[tuple[str, int]]:
    """Yield the dotted names of a file, and ``name()`` for calls of bare names, with lines."""
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield f"{node.func.id}()", node.lineno
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}", node.lineno


def library_names() -> frozenset[str]:
    """Return the names that library files go by, and those of the packages that they speak of."""
    words = {
        word.lower()
        for file in (rules_root() / "libraries").glob("*.yaml")
        for word in (file.stem, *packages_of(file.read_text("utf-8")))
        if not file.stem.startswith("stdlib") and file.stem != "builtins"
    }
    return frozenset(words - ORDINARY_WORDS)


def packages_of(text: str) -> list[str]:
    found = re.search(r"^packages: *\[([^\]]*)\]", text, re.MULTILINE)
    return [word.strip().partition(".")[0] for word in found[1].split(",")] if found else []


def test_the_names_of_libraries_are_known() -> None:
    assert {"django", "sqlalchemy", "asyncpg", "fastapi", "redis", "celery"} <= library_names()


@pytest.mark.parametrize(
    "file",
    [file for file in FILES if part_of(name_of(file)) in SPEAKS_OF_LIBRARIES],
    ids=relative,
)
def test_libraries_are_data(file: Path) -> None:
    names = library_names()
    documented = {id(node) for node in docstrings(tree_of(file))}
    wrong = []
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = "" if id(node) in documented else node.value
        else:
            text = getattr(node, "name", None) or getattr(node, "id", None) or ""
        for word in set(re.findall(r"[a-z0-9]+(?:_[a-z0-9]+)*", str(text).lower())) & names:
            wrong.append(f"{relative(file)}:{getattr(node, 'lineno', 0)}: {word} in {text[:60]!r}")

    assert wrong == []


def docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """Yield the texts that are statements of their own."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
