"""A folder that is there whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning_weightviz.sinks.support.record import MANIFEST

PAGE = "index.html"
"""The newest of every picture, in each folder that is written."""


def check_output(folder: Path) -> None:
    """Refuses a folder that holds what was not written by this command.

    Raises:
        ValueError: It is a file, or a folder with other things in it.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: it is a file; name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise ValueError(f"{folder}: it holds other files; name a new folder, or an empty one")


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to write to, which becomes `folder` at the end; where that is not reached, nothing is left of it.

    Raises:
        OSError: It cannot be written.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    # In the same file system, so that it can be renamed.
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        new = staging / "new"
        new.mkdir()
        yield new
        if folder.exists():
            folder.rename(staging / "old")
        new.rename(folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
