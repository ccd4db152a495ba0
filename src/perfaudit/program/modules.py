"""Which file an import means: source roots, packages, namespace packages, relative imports."""

import sys
from collections.abc import Sequence

from perfaudit.core.levels import Role
from perfaudit.facts import types as t
from perfaudit.facts.later import LaterFacts
from perfaudit.program.nodes import FileNode
from perfaudit.sources.roles import REVISION, UNSEEN_ROLES


class Modules:
    """All files by dotted name. Read-only once built.

    ``files`` are those that are linked, ``unseen`` those that are not: of these only what the
    others import is ever asked for.
    """

    def __init__(
        self,
        files: Sequence[t.FileFacts | LaterFacts],
        roles: dict[str, Role],
        library_packages: frozenset[str],
    ) -> None:
        paths = {facts.path for facts in files}
        self._roots = source_roots(paths)
        self._marked = marked_roots(paths)
        self._foreign = library_packages | sys.stdlib_module_names
        self._by_path: dict[str, FileNode] = {}
        self._folders = {folder for path in paths for folder in parents(path)}
        self._seen_from: dict[str, list[str]] = {}
        self._packages: dict[str, frozenset[str]] = {}
        self._memo: dict[tuple[str, str], FileNode | str | None] = {}
        for facts in files:
            node = FileNode(
                facts,
                dotted(facts.path, self._naming_root(facts.path, paths)),
                Role.MIGRATION if is_revision(facts) else roles.get(facts.path, Role.PRODUCTION),
                is_package=facts.path.endswith("__init__.py"),
            )
            self._by_path[facts.path] = node
        everything = self._by_path.values()
        self.files = [file for file in everything if file.role not in UNSEEN_ROLES]
        self.unseen = [file for file in everything if file.role in UNSEEN_ROLES]

    def _naming_root(self, path: str, paths: set[str]) -> str:
        """Return the root that a file's dotted name starts from."""
        folder = path.rpartition("/")[0]
        for parent in [folder, *parents(folder)]:
            if parent + "/__init__.py" in paths:
                return home_root(parent + "/__init__.py", paths)
        marked = [root for root in self._marked if (folder + "/").startswith(root + "/")]
        return max(marked, key=len, default="")

    def find(self, module: str, importer: FileNode) -> FileNode | str | None:
        """Return the file of a dotted name, the folder of a namespace package, or None."""
        folder = importer.path.rpartition("/")[0]
        key = (module, folder)
        if key not in self._memo:
            self._memo[key] = self._search(module, folder, importer)
        found = self._memo[key]
        return (
            None if found is importer and "." not in module and not importer.is_package else found
        )

    def _search(self, module: str, folder: str, importer: FileNode) -> FileNode | str | None:
        relative = module.replace(".", "/")
        top = module.partition(".")[0]
        homes = self._homes(top) if top in self._foreign else None
        for root in self._roots_for(folder):
            if homes is not None and root not in homes:
                continue
            found = self._at(f"{root}/{relative}" if root else relative)
            if found is not None and (found is not importer or importer.is_package):
                return found
        return None

    def _roots_for(self, folder: str) -> list[str]:
        """Return the roots in the order in which code of a folder sees them, its own first."""
        known = self._seen_from.get(folder)
        if known is None:
            ancestors = [
                root for root in self._roots if root == "" or (folder + "/").startswith(root + "/")
            ]
            others = [root for root in self._roots if root not in ancestors]
            known = sorted(ancestors, key=len, reverse=True) + sorted(
                others, key=lambda root: (len(root), root)
            )
            self._seen_from[folder] = known
        return known

    def _homes(self, top: str) -> frozenset[str]:
        """Return the roots that hold a package of this name."""
        known = self._packages.get(top)
        if known is None:
            tail = f"{top}/__init__.py"
            known = self._packages[top] = frozenset(
                root
                for root in self._roots
                if (f"{root}/{tail}" if root else tail) in self._by_path
            )
        return known

    def _at(self, stem: str) -> FileNode | str | None:
        node = self._by_path.get(stem + "/__init__.py") or self._by_path.get(stem + ".py")
        if node is not None:
            return node
        return stem if stem in self._folders else None

    def find_relative(self, module: str, level: int, importer: FileNode) -> FileNode | str | None:
        """Return the file of ``from ..module``, or None."""
        folder = importer.path.rpartition("/")[0]
        for _ in range(level - 1):
            folder = folder.rpartition("/")[0]
        stem = "/".join(part for part in (folder, module.replace(".", "/")) if part)
        return self._at(stem) if stem else None

    def submodule(self, package: FileNode | str, name: str) -> FileNode | str | None:
        """Return a module inside a package or namespace folder, or None."""
        if isinstance(package, str):
            return self._at(f"{package}/{name}")
        if not package.is_package:
            return None
        return self._at(f"{package.path.rpartition('/')[0]}/{name}")

    def by_dotted(self, name: str) -> FileNode | None:
        """Return the file with this dotted name, whatever its root."""
        relative = name.replace(".", "/")
        for root in self._roots:
            found = self._at(f"{root}/{relative}" if root else relative)
            if isinstance(found, FileNode):
                return found
        return None


def is_revision(given: t.FileFacts | LaterFacts) -> bool:
    """Return whether a module names the schema revision that it follows: a migration anywhere."""
    if isinstance(given, LaterFacts):
        return given.is_revision
    return any(
        isinstance(bind.target, t.Name) and bind.target.id == REVISION
        for bind in given.functions[0].binds
    )


def parents(path: str) -> list[str]:
    """Return the folders of a path, nearest first, without the root."""
    found = []
    folder = path.rpartition("/")[0]
    while folder:
        found.append(folder)
        folder = folder.rpartition("/")[0]
    return found


def source_roots(paths: set[str]) -> list[str]:
    """Return the folders that imports may start from: those that hold code and are not packages."""
    roots = {""}
    for path in paths:
        roots.add(home_root(path, paths))
    roots |= marked_roots(paths)
    return sorted(roots)


def marked_roots(paths: set[str]) -> frozenset[str]:
    """Return the folders that a layout or a start file shows to be on the import path."""
    roots = set()
    for path in paths:
        folder, _, name = path.rpartition("/")
        if (
            name in ("manage.py", "setup.py", "wsgi.py", "asgi.py")
            and folder + "/__init__.py" not in paths
        ):
            roots.add(folder)
        for parent in parents(path):
            if (
                parent.rpartition("/")[2] in ("src", "lib", "python")
                and parent + "/__init__.py" not in paths
            ):
                roots.add(parent)
    return frozenset(roots - {""})


def home_root(path: str, paths: set[str]) -> str:
    """Return the folder above the outermost package that holds the file."""
    folder = path.rpartition("/")[0]
    while folder and folder + "/__init__.py" in paths:
        folder = folder.rpartition("/")[0]
    return folder


def dotted(path: str, root: str) -> str:
    """Return the module name of a file below a root."""
    relative = path[len(root) + 1 :] if root else path
    name = relative.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    return name if name != "__init__" else (root.rpartition("/")[2] or "__init__")
