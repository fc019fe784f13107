"""Names: a tag as each kind of store can hold it, to be recognised, never colliding, never leaving its folder."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath

from lightning_weightviz.artifacts import Batch

MAX_COMPONENT = 60
"""Longest part of a path in characters: at most 240 bytes of UTF-8, where file systems hold 255."""

MAX_PATH = 160
"""Longest path of a tag in characters: Windows holds 260 with the folder before it."""

MAX_KEY = 160
"""Longest key of a tracker: MLflow makes a file name of it and puts up to 92 characters behind it."""

_HASH_DIGITS = 10
# Lower case alone: many file systems do not tell A from a.
_PLAIN = re.compile(rf"[a-z0-9_][a-z0-9_.+=-]{{0,{MAX_COMPONENT - 1}}}", re.ASCII)
# Windows drops a final full stop, and gives devices the names below whatever stands behind a full stop.
_WINDOWS = re.compile(r".*\.|(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.ASCII)
# Of the form of our own files, or of the names that `_changed` makes.
_OURS = re.compile(rf".*(\.png|\.gif|\.jsonl|\.partial|-[0-9a-f]{{{_HASH_DIGITS}}})", re.ASCII)
_UNSAFE = re.compile(r"[^\w+=-]+")
_KEY = re.compile(r"[\w .-]+")
# At an end they are trimmed, refused or a way out of a folder somewhere.
_TRIMMED = " ."
_UNSAFE_IN_KEY = re.compile(r"[^\w-]+")
_UNSAFE_IN_ASCII_KEY = re.compile(r"[^\w-]+", re.ASCII)


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


def text_file(tag: str) -> str:
    """The path of a text, which lies beside the folders of pictures.

    >>> text_file("findings/weights"), text_file("run/findings/weights")
    ('findings.md', 'run/findings.md')
    """
    return _file_beside(tag, "md")


def page_file(tag: str) -> str:
    """The path of a page, which lies beside them too.

    >>> page_file("report/weights")
    'report.html'
    """
    return _file_beside(tag, "html")


def _file_beside(tag: str, kind: str) -> str:
    """The file beside the folder that a tag's last part lies in; of a tag of one part, beside its own."""
    group = tag.rpartition("/")[0] or tag
    return f"{tag_path(group)}.{kind}"


def _component(part: str) -> str:
    plain = _PLAIN.fullmatch(part) and not _WINDOWS.fullmatch(part) and not _OURS.fullmatch(part)
    return part if plain else _changed(part)


def _changed(text: str, unsafe: re.Pattern[str] = _UNSAFE) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_DIGITS]
    recognisable = unsafe.sub("_", text[: 4 * MAX_COMPONENT])[: MAX_COMPONENT - _HASH_DIGITS - 1]
    return f"{recognisable or '_'}-{digest}"


def tracker_key(tag: str, *, ascii_only: bool = False, longest: int = MAX_KEY) -> str:
    """A tag as a key of experiment trackers, which make file names and addresses of keys.

    Parts between slashes stay as they are where they are letters of any alphabet and case, digits, ``_``, ``-``, and
    full stops and spaces inside; any other part is changed as by `tag_path`, and so is one of more than three quarters
    of a key's length, and a key that is too long, as a whole. So two tags never share a key.

    Args:
        tag: Any string.
        ascii_only: Whether letters and digits of other alphabets are replaced too, as MLflow asks for.
        longest: In bytes of UTF-8, at least `MAX_COMPONENT`.

    >>> tracker_key("classes.norm/T-shirt/Top"), tracker_key("weights.rms/encoder.LayerNorm.weight")
    ('classes.norm/T-shirt/Top', 'weights.rms/encoder.LayerNorm.weight')
    >>> tracker_key("classes.norm/größe"), tracker_key("classes.norm/größe", ascii_only=True)
    ('classes.norm/größe', 'classes.norm/gr_e-d353a2671b')
    """
    unsafe = _UNSAFE_IN_ASCII_KEY if ascii_only else _UNSAFE_IN_KEY

    def is_plain(part: str) -> bool:
        known = _KEY.fullmatch(part) and part.strip(_TRIMMED) == part and not _OURS.fullmatch(part)
        return bool(known) and (part.isascii() or not ascii_only) and 4 * len(part.encode()) <= 3 * longest

    key = "/".join(part if is_plain(part) else _changed(part, unsafe) for part in tag.split("/"))
    return key if len(key.encode()) <= longest else _changed(tag, unsafe)


def step_name(batch: Batch) -> str:
    """The name of a file of one snapshot, without its kind; names sort as steps do.

    >>> step_name(Batch(899, 20, [])), step_name(Batch(0, 1, [], repeat=1))
    ('step_00000899', 'step_00000000_2')
    """
    return f"step_{batch.step:08d}{repeat_mark(batch)}"


def repeat_mark(batch: Batch) -> str:
    """What tells files of a snapshot from those of another one at the same step; nothing for the first.

    >>> repeat_mark(Batch(0, 0, [])), repeat_mark(Batch(0, 1, [], repeat=1))
    ('', '_2')
    """
    return f"_{batch.repeat + 1}" if batch.repeat else ""


def unicode_tag(tag: str) -> str:
    r"""A tag or a caption as UTF-8 can hold it: what an undecodable file name brings is written out, as ``\udce9``.

    >>> unicode_tag("classes.norm/caf\udce9")
    'classes.norm/caf\\udce9'
    """
    return tag.encode("utf-8", "backslashreplace").decode("utf-8")
