"""Facts of many files at once: read, parsed and extracted in parallel, remembered by content."""

import gc
import multiprocessing
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import msgspec

from perfaudit.cache import Entry, FactCache, Reading, facts_version
from perfaudit.core.errors import UsageError
from perfaudit.core.levels import Role
from perfaudit.core.problem import Problem
from perfaudit.facts.extract import extract_facts
from perfaudit.facts.later import Glance, LaterFacts, glance_at
from perfaudit.facts.sharing import Known, share_parts
from perfaudit.facts.types import FileFacts
from perfaudit.sources import SourceFile, Suppression, parse_python, read_bytes
from perfaudit.sources.discovery import MAX_BYTES
from perfaudit.sources.reading import digest_of

RECURSION_LIMIT = 12_000
WORTH_A_POOL = 1_500_000
"""Bytes of source from which a second process pays for its start."""
SENT_AT_ONCE = 400_000
"""Bytes of source in one task for an executor: well below a second of work."""
PATIENCE = 60.0
"""Seconds without an answer after which an executor is left, and the rest is read here."""

_Sent = list[tuple[str, bytes, bool]]
"""Files by path, what they hold, and whether their facts are left for later."""
_Waiting = Sequence[tuple[SourceFile, bool]]
"""Files that are to be read, and whether their facts are left for later."""


class FileResult(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What reading one Python file gave: its facts, or the problem that kept them away.

    With a ``glance`` the file has none, but has not been asked for its facts.
    """

    facts: FileFacts | None
    suppressions: tuple[Suppression, ...]
    problem: Problem | None
    glance: Glance | None = None


class _Outline(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A stored result whose facts are still encoded."""

    facts: msgspec.Raw
    suppressions: tuple[Suppression, ...]
    problem: Problem | None
    glance: Glance | None


class _Pieces(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The fields of facts, of which all but the number of lines are still encoded."""

    path: str
    lines: int
    functions: msgspec.Raw
    classes: msgspec.Raw
    sql: msgspec.Raw
    exported: msgspec.Raw


_facts = msgspec.msgpack.Decoder(FileFacts)
_outline = msgspec.msgpack.Decoder(_Outline)
_pieces = msgspec.msgpack.Decoder(_Pieces | None)


@dataclass(frozen=True, slots=True)
class Extracted:
    """What reading one Python file gave a run, and what a report depends on of it."""

    facts: FileFacts | LaterFacts | None
    suppressions: tuple[Suppression, ...]
    problem: Problem | None
    reading: Reading


def extract(path: str, data: bytes, *, is_later: bool = False) -> FileResult:
    """Return the facts of one file's bytes. Never raises for what the bytes hold.

    Those that are left for later are only parsed.
    """
    source = parse_python(path, data)
    if isinstance(source, Problem):
        return FileResult(None, (), source)
    if is_later:
        return FileResult(None, source.suppressions, None, glance_at(source.tree, source.lines))
    try:
        facts = extract_facts(path, source.text, source.tree)
    except RecursionError:
        return FileResult(
            None, (), Problem(path, 1, "too-deep", "Its statements nest too deep to follow.")
        )
    return FileResult(facts, source.suppressions, None)


def extract_all(
    root: Path,
    files: Sequence[SourceFile],
    *,
    jobs: int = 0,
    executor: Executor | None = None,
    cache: FactCache | None = None,
    digests: Mapping[str, bytes | None] | None = None,
    read: Mapping[str, Entry] | None = None,
    later: Collection[Role] = (),
) -> list[Extracted]:
    """Return what each Python file gives, in the order of ``files``.

    An ``executor`` is sent the bytes of the files, since it may run elsewhere; without one,
    ``jobs`` processes of this machine read them, 0 for one per core. ``digests`` are those of the
    contents, by path: what the cache holds of them is not read again, nor what ``read`` has. Files
    whose role is in ``later`` are parsed, and their facts extracted when somebody asks for them.

    Raises UsageError where the executor runs another perfaudit, or none.
    """
    raise_recursion_limit()
    entries = dict(read or {})
    waiting: list[SourceFile] = []
    for file in files:
        if file.path in entries:
            continue
        digest = digests.get(file.path) if digests is not None else None
        known = cache.find(file.path, digest) if cache is not None and digest is not None else None
        if digest is not None and known is not None:
            entries[file.path] = (digest, known)
        else:
            waiting.append(file)
    # Its digest is that of what was read now: a file may have been saved since the first look.
    to_read = [(file, file.role in later) for file in waiting]
    if executor is None:
        fresh = _extract_waiting(root, to_read, jobs)
    else:
        fresh = _extract_elsewhere(root, to_read, executor)
    parts: Known = {}
    results: dict[str, Extracted] = {}
    # What others have read is decoded while they read on.
    for path, entry in chain(list(entries.items()), fresh):
        entries[path] = entry
        results[path] = _extracted(root, path, entry, parts)
    if cache is not None:
        cache.store({path: entry for path, entry in entries.items() if entry[0]})
    return [results[file.path] for file in files]


def _extracted(root: Path, path: str, entry: Entry, parts: Known) -> Extracted:
    content, payload = entry
    try:
        outline = _outline.decode(payload)
        pieces = _pieces.decode(outline.facts)
        facts: FileFacts | LaterFacts | None = None
        if outline.glance is not None:
            facts = LaterFacts(path, outline.glance, partial(_facts_of, root, path))
        elif pieces is not None:
            facts = _facts.decode(outline.facts)
            share_parts(facts, parts)
    except (msgspec.MsgspecError, RecursionError):
        return Extracted(None, (), damaged(path), Reading(content, b"", 0))
    reading = _reading(content, outline, pieces)
    return Extracted(facts, outline.suppressions, outline.problem, reading)


def _facts_of(root: Path, path: str) -> FileFacts | None:
    data = read_bytes(root, path, MAX_BYTES)
    return None if isinstance(data, Problem) else extract(path, data).facts


def damaged(path: str) -> Problem:
    """Return the problem of a file whose facts cannot be decoded, or are gone when asked for."""
    return Problem(path, 1, "internal", "Its facts could not be stored.")


def read_entries(
    root: Path, files: Sequence[SourceFile], later: Collection[Role]
) -> dict[str, Entry]:
    """Return the digests of a few files, and what reading them gave, encoded, by path."""
    return dict(_extract_chunk(str(root), [(file.path, file.role in later) for file in files]))


def reading_of(content: bytes, payload: bytes) -> Reading | None:
    """Return what a report depends on of a file that has this digest and these encoded facts.

    None where these are damaged.
    """
    try:
        outline = _outline.decode(payload)
        return _reading(content, outline, _pieces.decode(outline.facts))
    except (msgspec.MsgspecError, RecursionError):
        return None


def _reading(content: bytes, outline: _Outline, pieces: _Pieces | None) -> Reading:
    is_revision = outline.glance is not None and outline.glance.is_revision
    rest = msgspec.msgpack.encode((outline.suppressions, outline.problem, is_revision))
    if pieces is None:
        return Reading(content, digest_of(rest), outline.glance.lines if outline.glance else 0)
    said = (pieces.functions, pieces.classes, pieces.sql, pieces.exported, rest)
    return Reading(content, digest_of(b"".join(said)), pieces.lines)


def raise_recursion_limit() -> None:
    """Let deep but harmless code be followed; the parser has bounds of its own."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))


def _extract_waiting(root: Path, files: _Waiting, jobs: int) -> Iterator[tuple[str, Entry]]:
    """Yield the entries of files as they are read, by this process or some others."""
    workers = jobs or os.cpu_count() or 1
    if workers == 1 or sum(file.size for file, _ in files) < WORTH_A_POOL:
        yield from _extract_chunk(str(root), [(file.path, is_later) for file, is_later in files])
        return
    chunks = _chunks(files, workers * 6)
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    with ProcessPoolExecutor(
        min(workers, len(chunks)), mp_context=multiprocessing.get_context(method)
    ) as pool:
        for part in pool.map(_extract_chunk, [str(root)] * len(chunks), chunks):
            yield from part


def _chunks(files: _Waiting, count: int) -> list[list[tuple[str, bool]]]:
    """Return the paths in chunks of about the same work, most of it first."""
    chunks: list[list[tuple[str, bool]]] = [[] for _ in range(max(1, min(count, len(files))))]
    work = [0] * len(chunks)
    for file, is_later in sorted(files, key=lambda one: (-_work(*one), one[0].path)):
        least = work.index(min(work))
        chunks[least].append((file.path, is_later))
        work[least] += _work(file, is_later) + 200
    return [chunk for chunk in chunks if chunk]


def _work(file: SourceFile, is_later: bool) -> int:
    """Return how much work a file is, in bytes: parsing alone is half of it."""
    return file.size // 2 if is_later else file.size


def _extract_chunk(root: str, paths: list[tuple[str, bool]]) -> list[tuple[str, Entry]]:
    return _entries(
        (path, read_bytes(Path(root), path, MAX_BYTES), is_later) for path, is_later in paths
    )


def _extract_elsewhere(
    root: Path, files: _Waiting, executor: Executor
) -> Iterator[tuple[str, Entry]]:
    """Yield the entries of files that an executor is sent, and of what it gives no answer to."""
    waiting: dict[Future[tuple[str, list[bytes]]], _Sent] = {}
    total = sum(file.size for file, _ in files)
    for chunk in _chunks(files, 1 + total // SENT_AT_ONCE):
        sent: _Sent = []
        for path, is_later in chunk:
            data = read_bytes(root, path, MAX_BYTES)
            if isinstance(data, Problem):
                yield from _entries([(path, data, is_later)])
            else:
                sent.append((path, data, is_later))
        waiting[_handed(executor, sent)] = sent
    while waiting:
        ended, _ = wait(waiting, PATIENCE, FIRST_COMPLETED)
        for future in ended or list(waiting):
            sent = waiting.pop(future)
            future.cancel()
            payloads = _answer(future) if future in ended else None
            if payloads is None:
                yield from _entries(sent)
            else:
                for (path, data, _), payload in zip(sent, payloads, strict=True):
                    yield path, (digest_of(data), payload)


def _handed(executor: Executor, sent: _Sent) -> "Future[tuple[str, list[bytes]]]":
    try:
        return executor.submit(extract_sent, sent)
    except Exception as fault:
        refused: Future[tuple[str, list[bytes]]] = Future()
        refused.set_exception(fault)
        return refused


def _answer(future: "Future[tuple[str, list[bytes]]]") -> list[bytes] | None:
    """Return the payloads of an executor, or None where it has lost them.

    Raises UsageError where they are not what this process would say.
    """
    try:
        version, payloads = future.result()
    except ImportError as fault:
        raise UsageError(f"--executor: a worker cannot run perfaudit: {fault}.") from fault
    except Exception:
        # Workers and connections are lost, and memory ends: that changes no answer.
        return None
    if version != facts_version():
        raise UsageError(
            f"--executor: a worker has perfaudit {version}, and here is {facts_version()}."
        )
    return payloads


def extract_sent(sent: _Sent) -> tuple[str, list[bytes]]:
    """Return the encoded facts of files by their bytes, and which version says so."""
    return facts_version(), [payload for _, (_, payload) in _entries(sent)]


def _entries(read: Iterable[tuple[str, bytes | Problem, bool]]) -> list[tuple[str, Entry]]:
    """Return the digests of files, empty where one cannot be read, and their encoded results."""
    raise_recursion_limit()
    was_enabled = gc.isenabled()
    # While trees are held, the cyclic collector walks them over and over; nothing here is cyclic.
    gc.disable()
    try:
        return [(path, _entry(path, data, is_later)) for path, data, is_later in read]
    finally:
        if was_enabled:
            gc.enable()


def _entry(path: str, data: bytes | Problem, is_later: bool) -> Entry:
    if isinstance(data, Problem):
        return b"", msgspec.msgpack.encode(FileResult(None, (), data))
    digest = digest_of(data)
    try:
        return digest, msgspec.msgpack.encode(extract(path, data, is_later=is_later))
    except (RecursionError, OverflowError, ValueError, TypeError):
        problem = Problem(path, 1, "too-deep", "Its expressions nest too deep to be kept.")
        return digest, msgspec.msgpack.encode(FileResult(None, (), problem))
