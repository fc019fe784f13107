"""Names: a tag as each kind of store can hold it, to be recognised, never colliding, never leaving its folder."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath

MAX_COMPONENT = 60
"""Longest part of a path in characters: at most 240 bytes of UTF-8, where file systems hold 255."""

MAX_PATH = 160
"""Longest path of a tag in characters: Windows holds 260 with the folder before it."""

_HASH_DIGITS = 10
# Lower case alone: many file systems do not tell A from a.
_PLAIN = re.compile(rf"[a-z0-9_][a-z0-9_.+=-]{{0,{MAX_COMPONENT - 1}}}", re.ASCII)
# Windows drops a final full stop, and gives devices the names below whatever stands behind a full stop.
_WINDOWS = re.compile(r".*\.|(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.ASCII)
# Of the form of our own files, or of the names that `_changed` makes.
_OURS = re.compile(rf".*(\.png|\.gif|\.jsonl|\.partial|-[0-9a-f]{{{_HASH_DIGITS}}})", re.ASCII)
_UNSAFE = re.compile(r"[^\w+=-]+")


def tag_path(tag: str) -> PurePosixPath:
    """A tag as a relative path, one folder for each part between slashes.

    Parts of lower-case letters, digits and ``_ . + = -`` stay as they are. Any other part has what a file system
    may refuse replaced by ``_``, and a hash of the part behind it; a tag whose path is too long becomes one such
    part. So two tags never share a path, not even where upper and lower case or Unicode forms are the same, and a
    path never has the name of a file that the sink writes, a device's name, or a way out of its folder.

    Args:
        tag: Any string.

    >>> tag_path("weights.heatmap/fc1.weight")
    PurePosixPath('weights.heatmap/fc1.weight')
    >>> tag_path("classes.norm/T-shirt: blue")
    PurePosixPath('classes.norm/T-shirt_blue-0765011372')
    """
    path = PurePosixPath(*(_component(part) for part in tag.split("/")))
    return path if len(str(path)) <= MAX_PATH else PurePosixPath(_changed(tag))


def _component(part: str) -> str:
    plain = _PLAIN.fullmatch(part) and not _WINDOWS.fullmatch(part) and not _OURS.fullmatch(part)
    return part if plain else _changed(part)


def _changed(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    recognisable = _UNSAFE.sub("_", text[: 4 * MAX_COMPONENT])[: MAX_COMPONENT - _HASH_DIGITS - 1]
    return f"{recognisable or '_'}-{digest}"


def unicode_tag(tag: str) -> str:
    r"""A tag as UTF-8 can hold it: what comes from an undecodable file name is written out, as ``\udce9``.

    >>> unicode_tag("classes.norm/caf\udce9")
    'classes.norm/caf\\udce9'
    """
    return tag.encode("utf-8", "backslashreplace").decode("utf-8")
