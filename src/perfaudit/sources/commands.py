"""Server commands, read out of shell lines."""

import re
import shlex
from collections.abc import Iterator, Sequence

from perfaudit.sources.types import ServerCommand

MAX_LINE = 20_000
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
SEPARATORS = frozenset({"&&", "||", ";", "|", "&"})
SHELLS = frozenset({"sh", "bash", "ash", "dash", "zsh"})
PYTHON = re.compile(r"python[0-9.]*|pypy[0-9.]*")
# The number of words that belong to a wrapper before the command that it runs.
WRAPPERS = {
    "exec": 1,
    "env": 1,
    "nohup": 1,
    "time": 1,
    "sudo": 1,
    "tini": 1,
    "dumb-init": 1,
    "ddtrace-run": 1,
    "opentelemetry-instrument": 1,
    "watchmedo": 2,
    "poetry": 2,
    "uv": 2,
    "pipenv": 2,
    "pdm": 2,
    "hatch": 2,
    "rye": 2,
    "doppler": 2,
    "chamber": 3,
    "newrelic-admin": 2,
}
RUNS_BY = {"poetry", "uv", "pipenv", "pdm", "hatch", "rye", "doppler"}


def shell_commands(
    path: str,
    line: int,
    command: str | Sequence[str],
    *,
    service: str = "",
    environment: dict[str, str] | None = None,
) -> tuple[ServerCommand, ...]:
    """Return the commands that a shell line, or the words of one command, would start."""
    words = _words(command) if isinstance(command, str) else list(command)
    return tuple(_commands(path, line, words, service, environment or {}, shells=3))


def split_words(text: str) -> tuple[str, ...]:
    """Return the words of a shell line; what is not well quoted is split at white space."""
    if len(text) > MAX_LINE:
        return ()
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return tuple(text.split())


def _words(text: str) -> list[str]:
    if len(text) > MAX_LINE:
        return []
    lexer = shlex.shlex(text, posix=True, punctuation_chars="&|;")
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:
        return text.split()


def _commands(
    path: str,
    line: int,
    words: Sequence[str],
    service: str,
    environment: dict[str, str],
    *,
    shells: int,
) -> Iterator[ServerCommand]:
    for part in _parts(words):
        own, rest = _unwrap(part)
        if not rest:
            continue
        variables = {**environment, **own}
        script = _shell_script(rest)
        if script is not None and shells:
            yield from _commands(path, line, _words(script), service, variables, shells=shells - 1)
            continue
        program, arguments = _program(rest)
        yield ServerCommand(path, line, program, tuple(arguments), service, variables)


def _parts(words: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for word in words:
        if word in SEPARATORS:
            yield part
            part = []
        else:
            part.append(word)
    yield part


def _unwrap(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """Return the variables set in front of a command, and the command without its wrappers."""
    variables: dict[str, str] = {}
    while words:
        assignment = ASSIGNMENT.fullmatch(words[0])
        name = words[0].rpartition("/")[2]
        if assignment:
            variables[assignment[1]] = assignment[2]
            words = words[1:]
        elif name in WRAPPERS and (name not in RUNS_BY or words[1:2] == ["run"]):
            words = words[WRAPPERS[name] :]
            while words and words[0].startswith("-"):
                words = words[1:]
        else:
            break
    return variables, words


def _shell_script(words: Sequence[str]) -> str | None:
    if words[0].rpartition("/")[2] not in SHELLS:
        return None
    for index, word in enumerate(words[1:-1], start=1):
        if word.startswith("-") and word.endswith("c"):
            return words[index + 1]
    return None


def _program(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    program, arguments = words[0].rpartition("/")[2] or words[0], words[1:]
    if PYTHON.fullmatch(program):
        flags = 0
        while flags < len(arguments) and arguments[flags] in ("-u", "-O", "-OO", "-B", "-I"):
            flags += 1
        rest = arguments[flags:]
        if len(rest) > 1 and rest[0] == "-m":
            return rest[1], rest[2:]
    return program, arguments
