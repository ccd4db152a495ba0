"""Facts of many files at once: read, parsed and extracted in parallel, remembered by content."""

import gc
import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec

from perfaudit.cache import Entry, FactCache
from perfaudit.core.problem import Problem
from perfaudit.facts.extract import extract_facts
from perfaudit.facts.sharing import share_texts
from perfaudit.facts.types import FileFacts
from perfaudit.sources import SourceFile, Suppression, parse_python, read_bytes
from perfaudit.sources.discovery import MAX_BYTES
from perfaudit.sources.reading import digest_of

RECURSION_LIMIT = 12_000
WORTH_A_POOL = 1_500_000
"""Bytes of source from which a second process pays for its start."""


class FileResult(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What reading one Python file gave: its facts, or the problem that kept them away."""

    facts: FileFacts | None
    suppressions: tuple[Suppression, ...]
    problem: Problem | None


_decoder = msgspec.msgpack.Decoder(FileResult)


def extract(path: str, data: bytes) -> FileResult:
    """Return the facts of one file's bytes. Never raises for what the bytes hold."""
    source = parse_python(path, data)
    if isinstance(source, Problem):
        return FileResult(None, (), source)
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
    cache: FactCache | None = None,
    digests: Mapping[str, bytes | None] | None = None,
) -> list[FileResult]:
    """Return what each Python file gives, in the order of ``files``.

    ``jobs`` 0 means one worker per core. ``digests`` are those of the contents, by path: what the
    cache holds of them is not read again.
    """
    raise_recursion_limit()
    entries: dict[str, Entry] = {}
    waiting: list[SourceFile] = []
    for file in files:
        digest = digests.get(file.path) if digests is not None else None
        known = cache.find(file.path, digest) if cache is not None and digest is not None else None
        if digest is not None and known is not None:
            entries[file.path] = (digest, known)
        else:
            waiting.append(file)
    # Its digest is that of what was read now: a file may have been saved since the first look.
    entries.update(_extract_waiting(root, waiting, jobs))
    if cache is not None:
        cache.store({path: entry for path, entry in entries.items() if entry[0]})
    results = []
    texts: dict[str, str] = {}
    for file in files:
        result = _decoded(entries.pop(file.path)[1], file.path)
        if result.facts is not None:
            share_texts(result.facts, texts)
        results.append(result)
    return results


def raise_recursion_limit() -> None:
    """Let deep but harmless code be followed; the parser has bounds of its own."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))


def _decoded(payload: bytes, path: str) -> FileResult:
    try:
        return _decoder.decode(payload)
    except msgspec.MsgspecError:
        return FileResult(None, (), Problem(path, 1, "internal", "Its facts could not be stored."))


def _extract_waiting(root: Path, files: Sequence[SourceFile], jobs: int) -> dict[str, Entry]:
    workers = jobs or os.cpu_count() or 1
    if workers == 1 or sum(file.size for file in files) < WORTH_A_POOL:
        return dict(_extract_chunk(str(root), [file.path for file in files]))
    chunks = _chunks(files, workers * 6)
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    found: dict[str, Entry] = {}
    with ProcessPoolExecutor(
        min(workers, len(chunks)), mp_context=multiprocessing.get_context(method)
    ) as pool:
        for part in pool.map(_extract_chunk, [str(root)] * len(chunks), chunks):
            found.update(part)
    return found


def _chunks(files: Sequence[SourceFile], count: int) -> list[list[str]]:
    """Return the paths in chunks of about the same number of bytes, largest files first."""
    chunks: list[list[str]] = [[] for _ in range(max(1, min(count, len(files))))]
    sizes = [0] * len(chunks)
    for file in sorted(files, key=lambda file: (-file.size, file.path)):
        smallest = sizes.index(min(sizes))
        chunks[smallest].append(file.path)
        sizes[smallest] += file.size + 200
    return [chunk for chunk in chunks if chunk]


def _extract_chunk(root: str, paths: list[str]) -> list[tuple[str, Entry]]:
    # While trees are held, the cyclic collector walks them over and over; nothing here is cyclic.
    raise_recursion_limit()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return [(path, _extract_path(Path(root), path)) for path in paths]
    finally:
        if was_enabled:
            gc.enable()


def _extract_path(root: Path, path: str) -> Entry:
    """Return the digest of a file, empty where it cannot be read, and its encoded facts."""
    data = read_bytes(root, path, MAX_BYTES)
    if isinstance(data, Problem):
        return b"", msgspec.msgpack.encode(FileResult(None, (), data))
    digest = digest_of(data)
    try:
        return digest, msgspec.msgpack.encode(extract(path, data))
    except (RecursionError, OverflowError, ValueError, TypeError):
        problem = Problem(path, 1, "too-deep", "Its expressions nest too deep to be kept.")
        return digest, msgspec.msgpack.encode(FileResult(None, (), problem))
