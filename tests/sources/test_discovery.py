import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfaudit.core.errors import UsageError
from perfaudit.core.levels import Role
from perfaudit.sources import Discovery, discover


def _write(root: Path, *paths: str, text: str = "x = 1\n") -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def _paths(discovery: Discovery) -> list[str]:
    return [file.path for file in discovery.files]


def _found(root: Path, *paths: str, exclude: tuple[str, ...] = ()) -> list[str]:
    return _paths(discover(root, [Path(path) for path in paths], exclude=exclude))


def _problems(discovery: Discovery) -> list[tuple[str, str]]:
    return [(problem.path, problem.kind) for problem in discovery.problems]


def test_a_file_has_its_path_kind_role_and_size(tmp_path: Path) -> None:
    _write(tmp_path, "tests/test_a.py", text="x = 1\n")
    (file,) = discover(tmp_path, []).files
    assert (file.path, file.kind, file.role, file.size) == (
        "tests/test_a.py",
        "python",
        Role.TEST,
        6,
    )


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("app/views.py", "python"),
        ("gunicorn.conf.py", "python"),
        ("db/schema.sql", "sql"),
        ("templates/a.html", "template"),
        ("templates/a.jinja2", "template"),
        ("templates/mail.txt.j2", "template"),
        ("app/static/poll.js", "script"),
        ("app/static/poll.ts", "script"),
        ("docker-compose.yml", "compose"),
        ("docker-compose.prod.yaml", "compose"),
        ("compose.yaml", "compose"),
        ("Dockerfile", "dockerfile"),
        ("docker/web.Dockerfile", "dockerfile"),
        ("Dockerfile.worker", "dockerfile"),
        ("Procfile", "procfile"),
        ("pyproject.toml", "settings"),
        (".env", "settings"),
        (".env.production", "settings"),
        ("alembic.ini", "settings"),
        ("setup.cfg", "settings"),
        ("requirements.txt", "requirements"),
        ("requirements-dev.txt", "requirements"),
        ("requirements/base.in", "requirements"),
        ("charts/app/Chart.yaml", "helm"),
    ],
)
def test_kind(tmp_path: Path, path: str, kind: str) -> None:
    _write(tmp_path, path)
    assert [(file.path, file.kind) for file in discover(tmp_path, []).files] == [(path, kind)]


@pytest.mark.parametrize(
    "path",
    [
        "app/views.pyi",
        "README.md",
        "py",
        "src/poll.js",
        "app/static/vendor.min.js",
        "app/static/api.d.ts",
        "composer.yml",
        "k8s/values.yaml",
        "notes.txt",
        "Dockerfiles.txt",
    ],
)
def test_what_is_no_source_is_passed_over(tmp_path: Path, path: str) -> None:
    _write(tmp_path, path)
    assert discover(tmp_path, []) == Discovery((), ())


@pytest.mark.parametrize(
    ("path", "kind"), [("k8s/web.yaml", "kubernetes"), ("helm/templates/web.yml", "helm")]
)
def test_a_manifest_is_known_by_its_content(tmp_path: Path, path: str, kind: str) -> None:
    _write(tmp_path, path, text="apiVersion: apps/v1\nkind: Deployment\n")
    assert [file.kind for file in discover(tmp_path, []).files] == [kind]


def test_the_order_is_that_of_the_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, "b.py", "a/z.py", "a.py", "a/b/c.py", "B.py", "link_target/x.py")
    (tmp_path / "link").symlink_to("link_target")
    first = discover(tmp_path, [])
    scandir = os.scandir

    class Backwards:
        def __init__(self, path: str) -> None:
            with scandir(path) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> Iterator["os.DirEntry[str]"]:
            return iter(self.entries)

        def __exit__(self, *_: object) -> None:
            return None

    monkeypatch.setattr(os, "scandir", Backwards)
    assert discover(tmp_path, []) == first
    assert _paths(first) == sorted(_paths(first))
    assert _paths(first) == ["B.py", "a.py", "a/b/c.py", "a/z.py", "b.py", "link_target/x.py"]


def test_paths_choose_what_is_searched(tmp_path: Path) -> None:
    _write(tmp_path, "src/a.py", "src/b/c.py", "other/d.py", "e.py")
    assert _found(tmp_path, "src") == ["src/a.py", "src/b/c.py"]
    assert _found(tmp_path, "src", "src/b", "e.py", "./e.py") == ["e.py", "src/a.py", "src/b/c.py"]
    assert _found(tmp_path, str(tmp_path / "other")) == ["other/d.py"]


@pytest.mark.parametrize(
    "folder",
    [".git", ".venv", "venv", "node_modules", "__pycache__", ".tox", "build", "dist", ".eggs"]
    + ["lib/python3.12/site-packages", "a/.mypy_cache"],
)
def test_folders_of_tools_are_left_out(tmp_path: Path, folder: str) -> None:
    _write(tmp_path, f"{folder}/x/a.py", "kept.py")
    assert _found(tmp_path) == ["kept.py"]


def test_a_virtual_environment_of_any_name_is_left_out(tmp_path: Path) -> None:
    _write(tmp_path, "env/pyvenv.cfg", "env/lib/a.py", "conf/env/a.py")
    assert _found(tmp_path) == ["conf/env/a.py"]


def test_a_package_named_build_is_read(tmp_path: Path) -> None:
    _write(tmp_path, "app/build/__init__.py", "app/build/plan.py")
    assert _found(tmp_path) == ["app/build/__init__.py", "app/build/plan.py"]


@pytest.mark.parametrize(
    ("ignored", "kept"),
    [
        ("gen/\n", ["a.py", "src/a.py", "src/b.py"]),
        ("# a comment\n\nb.py\n", ["a.py", "gen/a.py", "src/a.py", "src/gen/a.py"]),
        ("/a.py\n", ["gen/a.py", "src/a.py", "src/b.py", "src/gen/a.py"]),
        ("a.py\n!src/a.py\n", ["src/a.py", "src/b.py"]),
        ("src/*\n!src/gen/\n", ["a.py", "gen/a.py", "src/gen/a.py"]),
        ("src/\n!src/a.py\n", ["a.py", "gen/a.py"]),
        ("*\n!*/\n!b.py\n", ["src/b.py"]),
        ("src/**\n!src/gen/\n!src/gen/a.py\n", ["a.py", "gen/a.py", "src/gen/a.py"]),
        ("**/gen\n", ["a.py", "src/a.py", "src/b.py"]),
        ("\ufeffgen/\r\nsrc/\r\n", ["a.py"]),
        ("!\n[\nsrc/\n", ["a.py", "gen/a.py"]),
        ("[!-b-a]\nsrc/\n", ["a.py", "gen/a.py"]),
        ("[[a]x\nsrc/\n", ["a.py", "gen/a.py"]),
    ],
)
def test_gitignore_means_what_git_means(tmp_path: Path, ignored: str, kept: list[str]) -> None:
    _write(tmp_path, "a.py", "src/a.py", "src/b.py", "src/gen/a.py", "gen/a.py")
    (tmp_path / ".gitignore").write_bytes(ignored.encode())
    assert _found(tmp_path) == kept


def test_the_deepest_gitignore_decides(tmp_path: Path) -> None:
    _write(tmp_path, "a/gen.py", "a/b/gen.py", "a/b/c/gen.py", "a/b/kept.py")
    _write(tmp_path, ".gitignore", text="gen.py\n")
    _write(tmp_path, "a/b/.gitignore", text="!gen.py\n/kept.py\n")
    _write(tmp_path, "a/b/c/.gitignore", text="*.py\n")
    assert _found(tmp_path) == ["a/b/gen.py"]


def test_a_nested_negation_of_folders_is_not_one_of_files(tmp_path: Path) -> None:
    _write(tmp_path, "a/b/x.py")
    _write(tmp_path, ".gitignore", text="*.py\n")
    _write(tmp_path, "a/.gitignore", text="!*/\n")
    assert _found(tmp_path) == []


def test_the_work_tree_above_the_root_has_a_say(tmp_path: Path) -> None:
    _write(tmp_path, "service/gen/a.py", "service/a.py", "service/local.py")
    _write(tmp_path, ".gitignore", text="service/gen/\n")
    _write(tmp_path, ".git/info/exclude", text="local.py\n")
    assert _found(tmp_path / "service") == ["a.py"]


def test_a_root_that_git_ignores_was_asked_for(tmp_path: Path) -> None:
    _write(tmp_path, "vendor/lib/a.py", ".git/HEAD")
    _write(tmp_path, ".gitignore", text="vendor/\n")
    assert _found(tmp_path / "vendor" / "lib") == ["a.py"]


def test_outside_of_a_work_tree_the_folders_above_say_nothing(tmp_path: Path) -> None:
    _write(tmp_path, "service/a.py")
    _write(tmp_path, ".gitignore", text="*.py\n")
    assert _found(tmp_path / "service") == ["a.py"]


def test_a_named_file_is_read_even_when_ignored(tmp_path: Path) -> None:
    _write(tmp_path, "gen/a.py", "gen/b.py")
    _write(tmp_path, ".gitignore", text="gen/\n")
    assert _found(tmp_path, "gen/a.py", ".", exclude=("a.py",)) == ["gen/a.py"]


def test_a_named_folder_is_searched_even_when_ignored(tmp_path: Path) -> None:
    _write(tmp_path, "gen/a.py", "gen/b/skip.py")
    _write(tmp_path, ".gitignore", text="gen/\n")
    _write(tmp_path, "gen/.gitignore", text="skip.py\n")
    assert _found(tmp_path, "gen") == ["gen/a.py"]


def test_user_patterns_leave_out(tmp_path: Path) -> None:
    _write(tmp_path, "a.py", "gen/a.py", "src/gen/b.py", "src/c_pb2.py")
    assert _found(tmp_path, exclude=("gen/", "*_pb2.py")) == ["a.py"]


def test_a_user_pattern_that_means_nothing_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="exclude"):
        discover(tmp_path, [], exclude=("!",))


def test_a_script_without_suffix_is_python_when_named(tmp_path: Path) -> None:
    _write(tmp_path, "bin/serve", text="#!/usr/bin/env python3\n")
    assert _found(tmp_path) == []
    assert _found(tmp_path, "bin/serve") == ["bin/serve"]


@pytest.mark.parametrize(("path", "text"), [("notes.txt", "x"), ("run", "#!/bin/sh\npython x\n")])
def test_a_named_file_of_no_known_kind_is_a_problem(tmp_path: Path, path: str, text: str) -> None:
    _write(tmp_path, path, text=text)
    assert _problems(discover(tmp_path, [Path(path)])) == [(path, "unsupported")]


def test_a_named_file_that_is_missing_is_a_problem(tmp_path: Path) -> None:
    assert _problems(discover(tmp_path, [Path("none.py")])) == [("none.py", "unreadable")]


def test_a_root_that_is_missing_is_a_problem(tmp_path: Path) -> None:
    (problem,) = discover(tmp_path / "none", []).problems
    assert problem.kind == "unreadable"


def test_too_large_files_are_problems(tmp_path: Path) -> None:
    _write(tmp_path, "a.py", "a.sql", text="x" * 11)
    _write(tmp_path, "b.py", text="x" * 10)
    discovery = discover(tmp_path, [], max_bytes=10)
    assert _paths(discovery) == ["b.py"]
    assert _problems(discovery) == [("a.py", "too-large"), ("a.sql", "too-large")]


def test_links_in_a_ring_end(tmp_path: Path) -> None:
    _write(tmp_path, "a/x.py", "b/y.py")
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "a" / "b").symlink_to("../b")
    (tmp_path / "b" / "a").symlink_to("../a")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "again.py").symlink_to("a/x.py")
    assert discover(tmp_path, []).problems == ()
    assert _found(tmp_path) == ["a/x.py", "b/y.py"]
    assert _found(tmp_path, "a") == ["a/b/y.py", "a/x.py"]


def test_a_folder_that_only_a_link_reaches_is_read_through_it(tmp_path: Path) -> None:
    _write(tmp_path, "gen/x.py", "src/a.py")
    _write(tmp_path, ".gitignore", text="gen/\n")
    (tmp_path / "src" / "gen_link").symlink_to("../gen")
    assert _found(tmp_path) == ["src/a.py", "src/gen_link/x.py"]


def test_links_that_lead_out_are_problems(tmp_path: Path) -> None:
    root = tmp_path / "root"
    _write(tmp_path, "root/a.py", "outside/b.py", "root-2/c.py")
    (root / "folder").symlink_to(tmp_path / "outside")
    (root / "file.py").symlink_to(tmp_path / "outside" / "b.py")
    (root / "near").symlink_to(tmp_path / "root-2")
    (root / "node_modules").symlink_to(tmp_path / "outside")
    (root / "notes.txt").symlink_to(tmp_path / "outside" / "b.py")
    discovery = discover(root, [])
    assert _paths(discovery) == ["a.py"]
    assert _problems(discovery) == [
        ("file.py", "outside-root"),
        ("folder", "outside-root"),
        ("near", "outside-root"),
    ]


def test_a_named_path_outside_is_a_problem(tmp_path: Path) -> None:
    _write(tmp_path, "root/a.py", "b.py")
    (problem,) = discover(tmp_path / "root", [Path("../b.py")]).problems
    assert (problem.path, problem.kind) == ("../b.py", "outside-root")


def test_broken_links_to_sources_are_problems(tmp_path: Path) -> None:
    (tmp_path / "a.py").symlink_to("none.py")
    (tmp_path / ".#a.py").symlink_to("someone@host.123")
    (tmp_path / "cache").symlink_to("none")
    assert _problems(discover(tmp_path, [])) == [("a.py", "unreadable")]


def test_special_files_are_never_opened(tmp_path: Path) -> None:
    _write(tmp_path, "kept.py")
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "k8s").mkdir()
    os.mkfifo(tmp_path / "k8s" / "pipe.yaml")
    os.mkfifo(tmp_path / "k8s" / ".gitignore")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "socket.py"))
        discovery = discover(tmp_path, [])
    assert _paths(discovery) == ["kept.py"]
    assert _problems(discovery) == [("pipe.py", "unreadable"), ("socket.py", "unreadable")]


def test_a_named_fifo_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert discover(tmp_path, [Path("pipe")]).files == ()
    assert len(discover(tmp_path, [Path("pipe")]).problems) == 1


def test_an_unreadable_folder_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path, "closed/a.py", "open/b.py")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    discovery = discover(tmp_path, [])
    assert _paths(discovery) == ["open/b.py"]
    assert _problems(discovery) == [("closed", "unreadable")]
    assert "Permission denied" in discovery.problems[0].message


def test_a_name_that_is_no_text_is_a_problem_that_can_be_shown(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.py", "wb"):
        pass
    (problem,) = discover(tmp_path, []).problems
    assert problem.kind == "unreadable"
    assert problem.path.encode("ascii") == rb"caf\xe9.py"


def test_deep_folders_are_walked(tmp_path: Path) -> None:
    deep = Path(*["d"] * 300)
    _write(tmp_path, f"{deep}/a.py")
    assert _found(tmp_path) == [f"{deep.as_posix()}/a.py"]
