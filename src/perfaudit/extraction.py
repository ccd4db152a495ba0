"""Facts of many files at once: read, parsed and extracted in parallel, remembered by content."""

import gc
import hashlib
import multiprocessing
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import msgspec

from perfaudit.cache import FactCache
from perfaudit.core.problem import Problem
from perfaudit.facts.extract import extract_facts
from perfaudit.facts.types import FileFacts
from perfaudit.sources import SourceFile, Suppression, parse_python, read_bytes
from perfaudit.sources.discovery import MAX_BYTES

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
    root: Path, files: Sequence[SourceFile], *, jobs: int = 0, cache: FactCache | None = None
) -> list[FileResult]:
    """Return what each Python file gives, in the order of ``files``.

    ``jobs`` 0 means one worker per core.
    """
    raise_recursion_limit()
    encoded: dict[str, bytes] = {}
    digests: dict[str, bytes] = {}
    waiting: list[SourceFile] = []
    if cache is None:
        waiting = list(files)
    else:
        for file in files:
            digest = _digest(root, file.path)
            known = None if digest is None else cache.find(file.path, digest)
            if known is not None:
                encoded[file.path] = known
            else:
                waiting.append(file)
            if digest is not None:
                digests[file.path] = digest
    encoded.update(_extract_waiting(root, waiting, jobs))
    results = [_decoded(encoded[file.path], file.path) for file in files]
    if cache is not None:
        cache.store({path: (digest, encoded[path]) for path, digest in digests.items()})
    return results


def raise_recursion_limit() -> None:
    """Let deep but harmless code be followed; the parser has bounds of its own."""
    sys.setrecursionlimit(max(sys.getrecursionlimit(), RECURSION_LIMIT))


def _digest(root: Path, path: str) -> bytes | None:
    data = read_bytes(root, path, MAX_BYTES)
    return None if isinstance(data, Problem) else hashlib.blake2b(data, digest_size=16).digest()


def _decoded(payload: bytes, path: str) -> FileResult:
    try:
        return _decoder.decode(payload)
    except msgspec.MsgspecError:
        return FileResult(None, (), Problem(path, 1, "internal", "Its facts could not be stored."))


def _extract_waiting(root: Path, files: Sequence[SourceFile], jobs: int) -> dict[str, bytes]:
    workers = jobs or os.cpu_count() or 1
    if workers == 1 or sum(file.size for file in files) < WORTH_A_POOL:
        return dict(_extract_chunk(str(root), [file.path for file in files]))
    chunks = _chunks(files, workers * 6)
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else None
    found: dict[str, bytes] = {}
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


def _extract_chunk(root: str, paths: list[str]) -> list[tuple[str, bytes]]:
    # While trees are held, the cyclic collector walks them over and over; nothing here is cyclic.
    raise_recursion_limit()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return [(path, _extract_path(Path(root), path)) for path in paths]
    finally:
        if was_enabled:
            gc.enable()


def _extract_path(root: Path, path: str) -> bytes:
    data = read_bytes(root, path, MAX_BYTES)
    result = FileResult(None, (), data) if isinstance(data, Problem) else extract(path, data)
    try:
        return msgspec.msgpack.encode(result)
    except (RecursionError, OverflowError, ValueError, TypeError):
        problem = Problem(path, 1, "too-deep", "Its expressions nest too deep to be kept.")
        return msgspec.msgpack.encode(FileResult(None, (), problem))
