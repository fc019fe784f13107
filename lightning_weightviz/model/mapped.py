"""Files mapped into memory: what was read of them leaves it again, so that a large file needs little."""

from __future__ import annotations

import ctypes
import mmap
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_INTERVAL = 0.005
"""Seconds between two looks; a touch here and there brings in up to 17 GB/s, as the system reads around it."""
_MOST = 384 * 2**20
"""Bytes of mapped files that may stay in memory; what is read again and again, such as one matrix, fits."""

_FETCHED = 64 * 2**20
"""Bytes that are fetched at a time."""

Range = tuple[int, int]
"""Address and bytes."""


def mapped_ranges(paths: Iterable[Path]) -> list[Range]:
    """Where files are mapped in this process, pages that only it sees; none on systems other than Linux."""
    maps = Path("/proc/self/maps")
    if not maps.exists():
        return []
    names = {str(path.resolve()) for path in paths}
    ranges = []
    for line in maps.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        addresses, permissions, *_, mapped = [*line.split(maxsplit=5), ""][:6]
        if mapped in names and "p" in permissions:
            start, end = (int(address, 16) for address in addresses.split("-"))
            ranges.append((start, end - start))
    return ranges


def release(ranges: Iterable[Range]) -> None:
    """Lets pages leave memory that were read and never written; they are read again when they are asked for."""
    libc = ctypes.CDLL(None)
    for start, length in ranges:
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), mmap.MADV_DONTNEED)


def _in_memory() -> int:
    """Bytes of files that this process has in memory."""
    shared = Path("/proc/self/statm").read_bytes().split()[2]
    return int(shared) * mmap.PAGESIZE


def _fetch(paths: Iterable[Path], over: threading.Event) -> None:
    """Has the system read files into its cache before they are asked for, as far as half of the free memory holds."""
    # A file may be gone meanwhile; what is mapped of it stays.
    with suppress(OSError):
        _fetch_each(paths, over)


def _fetch_each(paths: Iterable[Path], over: threading.Event) -> None:
    left = os.sysconf("SC_AVPHYS_PAGES") * mmap.PAGESIZE // 2
    for path in paths:
        with path.open("rb") as file:
            for start in range(0, min(path.stat().st_size, left), _FETCHED):
                if over.is_set():
                    return
                os.posix_fadvise(file.fileno(), start, _FETCHED, os.POSIX_FADV_WILLNEED)
        left -= path.stat().st_size


@contextmanager
def bounded(paths: Sequence[Path]) -> Iterator[None]:
    """While it lasts, a thread releases what is read of mapped files, also within one tensor; another reads ahead.

    The tensors must stay alive meanwhile, and must not be written to.
    """
    ranges = mapped_ranges(paths)
    if not ranges:
        yield
        return
    release(ranges)
    before, over = _in_memory(), threading.Event()

    def watch() -> None:
        while not over.wait(_INTERVAL):
            if _in_memory() > before + _MOST:
                release(ranges)

    threads = [
        threading.Thread(target=watch, name="weightviz-release", daemon=True),
        threading.Thread(target=_fetch, args=(paths, over), name="weightviz-fetch", daemon=True),
    ]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()
        release(ranges)
