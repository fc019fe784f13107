"""Folders to write files to: on this machine, or behind a URL such as ``s3://bucket/runs`` through fsspec."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import fsspec  # type: ignore[import-untyped]
from fsspec.core import url_to_fs  # type: ignore[import-untyped]
from fsspec.implementations.local import LocalFileSystem  # type: ignore[import-untyped]

SUBFOLDER = "weightviz"
"""What this package writes lies in a folder of this name."""

Place = Path | str
"""Where a folder is: a `Path` on this machine, a URL elsewhere."""

# One letter is a drive of Windows.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(/+)(.*)", re.DOTALL)


def place_of(folder: str | os.PathLike[str]) -> Place:
    r"""A folder as users and loggers write it, as a place.

    A URL that was made a `Path`, and so lost a slash, is a URL again; ``file://`` is this machine.

    >>> place_of("s3://bucket/runs/"), place_of(Path("s3://bucket/runs"))
    ('s3://bucket/runs', 's3://bucket/runs')
    >>> place_of("file:///data/runs").as_posix(), place_of(r"C:\runs") == Path(r"C:\runs")
    ('/data/runs', True)
    """
    text = os.fspath(folder)
    if "::" in text and "://" in text:  # fsspec's chains, as simplecache::s3://bucket
        return text
    found = _URL.fullmatch(text)
    if found is None:
        return Path(text)
    protocol, slashes, rest = found.groups()
    if protocol in ("file", "local"):
        return Path(LocalFileSystem._strip_protocol(f"file:{slashes if len(slashes) > 1 else '///'}{rest}"))
    if len(slashes) == 1 and protocol not in fsspec.available_protocols():
        return Path(text)
    return f"{protocol}:{slashes if len(slashes) > 1 else '//'}{rest.rstrip('/')}"


def inside(place: Place, *names: str) -> Place:
    """A folder in a folder."""
    return place.joinpath(*names) if isinstance(place, Path) else "/".join([place, *names])


class Folder(Protocol):
    """Where files are written, by relative paths with ``/``; folders are made where they are missing."""

    def write(self, files: Mapping[str, bytes]) -> None:
        """Writes files, each whole or not at all, over those of before."""

    def write_each(self, files: Mapping[str, bytes]) -> Mapping[str, Exception]:
        """As `write`, but on this machine what cannot be written takes nothing with it; returns why, by name."""

    def read(self, name: str) -> bytes:
        """A file; empty where there is none."""

    def append(self, records: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """Appends records as lines of JSON to files; a line that was cut off by a crash stays alone."""


def open_folder(place: Place) -> Folder:
    """The folder at a place; nothing is written yet.

    Raises:
        OSError: The protocol of a URL is not known, or the package that it needs is missing.
    """
    return LocalFolder(place) if isinstance(place, Path) else RemoteFolder(place)


class LocalFolder:
    """A folder on this machine. Files are written beside their place and renamed, and lines are appended at the end.

    Args:
        path: Made where it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, files: Mapping[str, bytes]) -> None:
        """As `Folder`: a crash leaves no half file under a file's name."""
        for error in self.write_each(files).values():
            raise error

    def write_each(self, files: Mapping[str, bytes]) -> Mapping[str, Exception]:
        """As `Folder`: one may be open elsewhere, which Windows refuses to replace, or have too long a path there."""
        failed: dict[str, Exception] = {}
        for name, content in files.items():
            try:
                path = self._path / name
                path.parent.mkdir(parents=True, exist_ok=True)
                partial = path.with_name(path.name + ".partial")
                partial.write_bytes(content)
                partial.replace(path)
            except OSError as error:
                failed[name] = error
        return failed

    def read(self, name: str) -> bytes:
        """As `Folder`."""
        path = self._path / name
        return path.read_bytes() if path.is_file() else b""

    def append(self, records: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """As `Folder`, in one write per file."""
        for name, some in records.items():
            path = self._path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab+") as file:
                cut_off = False
                if file.tell() > 0:
                    file.seek(-1, os.SEEK_END)
                    cut_off = file.read(1) != b"\n"
                file.write(b"\n" * cut_off + _lines(some))


class RemoteFolder:
    """A folder behind a URL, written through fsspec as Lightning writes checkpoints.

    Object stores (S3, GCS, Azure) take a file whole or not at all, and many at once; they cannot append. So a file of
    lines is read when the first are added to it, kept in memory and written anew each time: a resumed run goes on in
    it, and a crash loses nothing that was written before. Other file systems (SFTP, SMB, HDFS) get each file under
    another name first, as a local folder does.

    Args:
        url: With its protocol.

    Raises:
        OSError: The protocol is not known, or the package that it needs is missing.
    """

    def __init__(self, url: str) -> None:
        try:
            self._fs, root = url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise OSError(f"the folder {url} cannot be written to: {error}") from error
        self._root = root.rstrip("/")
        self._kept: dict[str, bytes] = {}

    def write(self, files: Mapping[str, bytes]) -> None:
        """As `Folder`; an object store is given all of them at once."""
        paths = {f"{self._root}/{name}": content for name, content in files.items()}
        if self._fs.async_impl:
            self._fs.pipe(paths)
        else:
            for path, content in paths.items():
                self._replace(path, content)

    def write_each(self, files: Mapping[str, bytes]) -> Mapping[str, Exception]:
        """As `Folder`: all fail together, as each would wait for a server that is away."""
        self.write(files)
        return {}

    def read(self, name: str) -> bytes:
        """As `Folder`; where a crash came between, what was to replace it."""
        return self._read(f"{self._root}/{name}")

    def append(self, records: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
        """As `Folder`; what could not be written is kept, and written with what comes next."""
        for name, some in records.items():
            before = self._kept[name] if name in self._kept else self._read(f"{self._root}/{name}")
            cut_off = bool(before) and not before.endswith(b"\n")
            self._kept[name] = before + b"\n" * cut_off + _lines(some)
        self.write({name: self._kept[name] for name in records})

    def _replace(self, path: str, content: bytes) -> None:
        self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        partial = path + ".partial"
        self._fs.pipe_file(partial, content)
        # Some refuse to rename over a file.
        if self._fs.exists(path):
            self._fs.rm_file(path)
        self._fs.mv(partial, path)

    def _read(self, path: str) -> bytes:
        """A file, or what was to replace it when a crash came between; empty where there is none."""
        for candidate in (path,) if self._fs.async_impl else (path, path + ".partial"):
            try:
                content: bytes = self._fs.cat_file(candidate)
            except FileNotFoundError:
                continue
            return content
        return b""


def _lines(records: Sequence[Mapping[str, Any]]) -> bytes:
    return "".join(json.dumps(record, allow_nan=False) + "\n" for record in records).encode()
