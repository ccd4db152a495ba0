"""What a file is for, from its path alone."""

import re

from perfaudit.core.levels import Role

UNSEEN_ROLES = frozenset({Role.TEST})
"""Roles whose code is parsed but not linked: it runs nothing of what the audit is about."""
REVISION = "down_revision"
"""The name by which a module says which revision of the schema it follows: it is a migration."""
TEST_FOLDERS = frozenset({"test", "tests", "testing", "testsuite", "e2e", "__tests__", "pytest"})
TEST_FOLDER = re.compile(
    r"(acceptance|api|browser|component|contract|cypress|e2e|end[_-]to[_-]end|functional|integration"
    r"|load|performance|playwright|regression|selenium|smoke|stress|system|ui|unit)[_-]?tests"
)
"""A kind of tests in the name of a folder; `lab_tests` may well be what an application is about."""
MIGRATION_FOLDERS = frozenset({"migrations"})
SCRIPT_FOLDERS = frozenset({"scripts", "benchmarks", "benchmark"})
TOP_SCRIPT_FOLDERS = frozenset({"script", "bin", "tools", "bench", "dev", "hack"})
"""Names that a package may well have for production code: they speak only at the top."""
EXAMPLE_FOLDERS = frozenset(
    {
        "example",
        "examples",
        "docs",
        "docs_src",
        "tutorials",
        "sandbox",
        "project_template",
        "project_templates",
    }
)
TOP_EXAMPLE_FOLDERS = frozenset({"doc", "sample", "samples", "demo", "demos"})
SCRIPT_FILES = frozenset({"setup.py", "manage.py", "noxfile.py", "fabfile.py"})
TEST_FILE = re.compile(r"test_.*|.*_test|.*_tests|tests?|conftest|pytest_plugin")


def role_of(path: str) -> Role:
    """Return what the file at this path, relative to the root, is for."""
    *folders, name = [part for part in path.split("/") if part not in ("", ".")] or [""]
    known = {folder.lower() for folder in folders}
    if any(map(_is_test_folder, known)) or _is_test_file(name):
        return Role.TEST
    if known & EXAMPLE_FOLDERS or any(map(_is_template, (*known, name))):
        return Role.EXAMPLE
    if known & MIGRATION_FOLDERS or _has_pair(folders, "alembic", "versions"):
        return Role.MIGRATION
    if _has_pair([*folders, name], "alembic", "env.py"):
        return Role.MIGRATION
    if _has_pair(folders, "management", "commands"):
        return Role.COMMAND
    top = {folder.lower() for folder in folders[:1]}
    if top & TOP_EXAMPLE_FOLDERS:
        return Role.EXAMPLE
    if known & SCRIPT_FOLDERS or top & TOP_SCRIPT_FOLDERS or name in SCRIPT_FILES:
        return Role.SCRIPT
    return Role.PRODUCTION


def _is_template(name: str) -> bool:
    """Return whether a file or folder is filled in by a program that starts projects."""
    return "{{" in name or name.startswith("cookiecutter")


def _is_test_folder(name: str) -> bool:
    return name in TEST_FOLDERS or TEST_FOLDER.fullmatch(name) is not None


def _is_test_file(name: str) -> bool:
    stem, dot, suffix = name.rpartition(".")
    return bool(dot) and suffix == "py" and TEST_FILE.fullmatch(stem) is not None


def _has_pair(folders: list[str], outer: str, inner: str) -> bool:
    return any(
        first == outer and second == inner
        for first, second in zip(folders, folders[1:], strict=False)
    )
