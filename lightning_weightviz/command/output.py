"""A folder that is there whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightning_weightviz.sinks.support.record import MANIFEST

PAGE = "index.html"
"""The newest of every picture, in each folder that is written."""
STATISTICS_FILE = "statistics.csv"
_OF_DESKTOPS = frozenset({".DS_Store", "Thumbs.db"})
"""What looking into a folder leaves there."""
_PREFIX = 32
"""Letters of the folder's name in that of the one beside it, where it is written."""


def check_output(folder: Path) -> None:
    """Refuses a folder that holds what was not written by this command.

    Raises:
        ValueError: It is a file, a folder with other things in it, or one that this process is in.
        OSError: It cannot be read.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: it is a file; name a folder")
    if not folder.is_dir():
        return
    if any(folder.iterdir()) and not _is_written_by_command(folder):
        raise ValueError(f"{folder}: it holds other files; name a new folder, or an empty one")
    if Path.cwd().is_relative_to(folder.resolve()):
        # The shell would stay in the one that is gone.
        raise ValueError(f"{folder}: it is the current folder, which would be replaced; name another one")


def _is_written_by_command(folder: Path) -> bool:
    """Whether its page is there, and its list names all else: a callback's folder has a list too."""
    try:
        lines = (folder / MANIFEST).read_text(encoding="utf-8").splitlines()
        known = {json.loads(line)["file"] for line in lines} | {MANIFEST, PAGE, STATISTICS_FILE}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return False
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    return PAGE in there and all(name in known or Path(name).name in _OF_DESKTOPS for name in there)


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to write to, which becomes `folder` at the end; where that is not reached, nothing is left of it.

    Raises:
        OSError: It cannot be written; the message names it and the reason.
    """
    try:
        # Not `resolve`, which raises another error for a link to itself before Python 3.13.
        place = Path(os.path.realpath(folder))
        place.parent.mkdir(parents=True, exist_ok=True)
        # In the same file system, so that it can be renamed; a longer name might be too long.
        staging = Path(tempfile.mkdtemp(prefix=f".{place.name[:_PREFIX]}.", dir=place.parent))
        try:
            new = staging / "new"
            new.mkdir()
            yield new
            if place.exists():
                place.rename(staging / "old")
            new.rename(place)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise OSError(f"{folder}: it cannot be written ({error.strerror or error})") from error
