"""Files that Keras 3 writes, opened without Keras: a zip of a config and weights, or the weights alone.

Nothing is unpacked on disk, and nothing but HDF5 and JSON is understood.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

WEIGHTS = "model.weights.h5"
CONFIG = "config.json"
FLOOR, MOST_EXPANSION = 1 << 26, 1000
"""What claims to be larger than this many bytes, and than this many times what is stored, is made to fill memory."""


@dataclass(frozen=True)
class Archive:
    """A file of Keras'.

    Attributes:
        path: Of the file.
        config: What it tells of its model; None where it holds weights alone.
        start: Where the weights begin in it.
        size: Bytes of the weights; None: to the end.
        inflated: The weights, where the zip holds them compressed; Keras does not.
    """

    path: Path
    config: Mapping[str, Any] | None = None
    start: int = 0
    size: int | None = None
    inflated: bytes | None = None

    @contextmanager
    def weights(self) -> Iterator[Any]:
        """The weights as an ``h5py.File``.

        Raises:
            ValueError: They are no HDF5, damaged, or hold something that cannot be read.
            ImportError: h5py is not installed.
        """
        try:
            import h5py
        except ImportError as error:
            raise ImportError(
                f"{self.path}: reading it needs h5py: pip install 'lightning-weightviz[files]'"
            ) from error
        try:
            with self.path.open("rb") as raw, h5py.File(self._part(raw), "r") as file:
                yield file
        except (OSError, RuntimeError, KeyError, TypeError) as error:
            text = " ".join(str(error).split())
            raise ValueError(f"{self.path}: it is damaged, or holds no HDF5 that can be read ({text})") from error

    def _part(self, raw: BinaryIO) -> Any:
        if self.inflated is not None:
            return io.BytesIO(self.inflated)
        return raw if self.size is None else _Part(raw, self.start, self.size)


class _Part(io.RawIOBase):
    """A stretch of a file, as a file."""

    def __init__(self, raw: BinaryIO, start: int, size: int) -> None:
        self._raw, self._start, self._size, self._place = raw, start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = base + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        left = max(self._size - self._place, 0)
        self._raw.seek(self._start + self._place)
        count = self._raw.readinto(memoryview(buffer)[:left])  # type: ignore[attr-defined]  # of a file that is open
        self._place += count
        return int(count)


def open_archive(path: Path) -> Archive:
    """Finds the config and the weights in a file.

    Raises:
        ValueError: It is no zip, or has no weights in HDF5, or is damaged.
    """
    if not path.name.lower().endswith(".keras"):
        return Archive(path)
    try:
        with zipfile.ZipFile(path) as file:
            names = set(file.namelist())
            if WEIGHTS not in names:
                there = f": there is {', '.join(sorted(names)[:3])}" if names else ""
                raise ValueError(f"{path}: there is no {WEIGHTS} in it, as Keras 3 writes it{there}")
            config = _config(path, file) if CONFIG in names else None
            info = file.getinfo(WEIGHTS)
            refuse_bomb(path, WEIGHTS, info.file_size, info.compress_size)
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
                return Archive(path, config, inflated=file.read(info))
        return Archive(path, config, _start(path, info), info.file_size)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, struct.error, EOFError) as error:
        raise ValueError(f"{path}: it is damaged, or no file of Keras 3 ({error})") from error


def _start(path: Path, info: zipfile.ZipInfo) -> int:
    """Where a member's own bytes begin: behind a header that holds its name and something more."""
    with path.open("rb") as raw:
        raw.seek(info.header_offset + 26)
        name, more = struct.unpack("<HH", raw.read(4))
    return info.header_offset + 30 + int(name) + int(more)


def _config(path: Path, file: zipfile.ZipFile) -> Mapping[str, Any]:
    info = file.getinfo(CONFIG)
    refuse_bomb(path, CONFIG, info.file_size, info.compress_size)
    try:
        config = json.loads(file.read(info))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: its {CONFIG} is damaged: it is no JSON") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path}: its {CONFIG} is damaged: it describes no model")
    return config


def refuse_bomb(path: Path, name: str, claimed: int, stored: int) -> None:
    """Refuses what is there to fill memory.

    Raises:
        ValueError: It claims far more bytes than are stored.
    """
    if claimed > FLOOR and claimed > MOST_EXPANSION * stored:
        raise ValueError(f"{path}: {name} claims {claimed} bytes of which {stored} are there, so it was not read")
