"""The templates of the project, by the names that code gives them."""

from typing import TYPE_CHECKING

from perfaudit.core.levels import Role
from perfaudit.facts.template_types import Template
from perfaudit.facts.templates import read_template
from perfaudit.sources import role_of

if TYPE_CHECKING:
    from perfaudit.program.program import Program

FOLDER = "templates"
"""The folder in which templates are looked for by the rest of their path."""


class TemplateFiles:
    """The templates, each read when it is first asked for."""

    def __init__(self, texts: dict[str, str], folders: frozenset[str]) -> None:
        self._texts = texts
        self._folders = folders
        self._read: dict[str, Template] = {}
        self._by_end: dict[str, list[str]] = {}
        self._found: dict[tuple[str, str], str | None] = {}
        for path in sorted(texts):
            self._by_end.setdefault(path.rpartition("/")[2], []).append(path)

    def read(self, path: str) -> Template:
        """Return what the template at a path says."""
        found = self._read.get(path)
        if found is None:
            found = self._read[path] = read_template(self._texts[path])
        return found

    def text(self, path: str) -> str:
        """Return the text of the template at a path."""
        return self._texts[path]

    def find(self, name: str, near: str = "") -> str | None:
        """Return the path of the template of a name, or None where there are none, or several.

        Of several, that in the folder of templates that ``near``, another template, is in.
        """
        asked = (name, near)
        if asked not in self._found:
            self._found[asked] = self._find(name, near)
        return self._found[asked]

    def _find(self, name: str, near: str) -> str | None:
        parts = [part for part in name.split("/") if part not in ("", ".", "..")]
        if not parts:
            return None
        ending = "/".join(parts)
        paths = [
            path
            for path in self._by_end.get(parts[-1], ())
            if path == ending or path.endswith(f"/{ending}")
        ]
        for few in (
            # The folder that both are in, the outermost of several: names begin there.
            sorted(
                (path for path in paths if near and near.startswith(path[: -len(ending)])), key=len
            )[:1],
            [path for path in paths if self._is_whole(path, ending)],
            [path for path in paths if role_of(path) is not Role.TEST],
        ):
            if len(few) == 1:
                return few[0]
        return paths[0] if len(paths) == 1 else None

    def _is_whole(self, path: str, ending: str) -> bool:
        """Return whether a path is a folder of templates with the whole of a name."""
        folder = path[: -len(ending)].rstrip("/")
        return folder.rpartition("/")[2] in self._folders


def template_files(program: "Program") -> TemplateFiles:
    """Return the templates of a program; ask for them with ``program.once``."""
    return TemplateFiles(
        {
            document.path: document.text
            for document in program.documents
            if document.kind == "template"
        },
        frozenset({FOLDER, *program.libraries.templates.folders}),
    )
