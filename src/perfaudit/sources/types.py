"""What reading a project gives: files, parsed Python, documents and suppression comments."""

import ast
from dataclasses import dataclass, field

from perfaudit.core.levels import Role
from perfaudit.core.problem import Problem


@dataclass(frozen=True, slots=True, order=True)
class SourceFile:
    """A file worth reading. ``path`` is relative to the root, with forward slashes.

    ``kind`` is one of: python, sql, template, script, compose, kubernetes, helm, dockerfile,
    procfile, settings, requirements.
    """

    path: str
    kind: str
    role: Role
    size: int


@dataclass(frozen=True, slots=True)
class Discovery:
    """The files found, sorted by path, and what could not be looked at."""

    files: tuple[SourceFile, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Suppression:
    """A comment that silences findings. ``rules`` are ids or names as written; empty means all.

    ``line`` is where the comment stands, ``target_line`` the line that it speaks of.
    """

    line: int
    target_line: int
    rules: tuple[str, ...]
    reason: str
    whole_file: bool


@dataclass(frozen=True, slots=True)
class PythonSource:
    """One parsed Python file. Every line of ``text`` ends in a line feed, whatever the file has."""

    path: str
    text: str
    tree: ast.Module
    lines: int
    suppressions: tuple[Suppression, ...]


@dataclass(frozen=True, slots=True)
class ServerCommand:
    """A command that a deployment file starts, without its wrappers (``exec``, ``poetry run``...).

    ``program`` is a bare name: ``/usr/bin/gunicorn`` and ``python -m gunicorn`` are ``gunicorn``.
    ``environment`` holds the variables set for it; ``service`` the process, stage or service.
    """

    path: str
    line: int
    program: str
    arguments: tuple[str, ...]
    service: str = ""
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Service:
    """A running part of the system as compose, Kubernetes or Helm files declare it.

    ``build`` is the build context, empty where there is none. ``restart`` and ``replicas`` are None
    where the file does not say.
    """

    name: str
    image: str
    build: str
    command: tuple[str, ...]
    environment: dict[str, str]
    ports: tuple[str, ...]
    depends_on: tuple[str, ...]
    healthcheck: bool
    restart: str | None
    replicas: int | None
    line: int


@dataclass(frozen=True, slots=True)
class Document:
    """One file that is not Python."""

    path: str
    kind: str
    text: str
    services: tuple[Service, ...] = ()
    commands: tuple[ServerCommand, ...] = ()
