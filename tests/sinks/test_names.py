"""Names of files: recognised, never colliding, never outside their folder."""

from __future__ import annotations

import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lightning_weightviz.sinks.names import MAX_PATH, tag_path, unicode_tag
from tests.sinks.samples import ODD_NAMES

# Few and near each other, so that collisions are tried for, beside any text at all.
_TRICKY = st.text(alphabet="aAbB./\\-_: \0é猫", max_size=6)
_TAGS = st.text(max_size=400) | _TRICKY | st.sampled_from(ODD_NAMES) | st.text(st.characters(codec=None), max_size=20)
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{digit}" for port in ("com", "lpt") for digit in range(10))}


def _as_stored(path: PurePosixPath) -> str:
    """As file systems compare names that know neither case nor Unicode form, and drop final full stops."""
    return "/".join(unicodedata.normalize("NFKC", part).casefold().rstrip(". ") for part in path.parts)


@pytest.mark.parametrize(
    "tag", ["weights.heatmap/fc1.weight", "layers.0.self_attn.in_proj_weight", "overview/weights", "a+b=c-d", "con1"]
)
def test_usual_tags_stay_as_they_are(tag: str) -> None:
    assert str(tag_path(tag)) == tag


@pytest.mark.parametrize(
    ("tag", "start"),
    [
        ("classes/T-shirt", "classes/T-shirt-"),
        ("classes/ankle boot", "classes/ankle_boot-"),
        ("classes/größe", "classes/größe-"),
        ("classes/猫", "classes/猫-"),
        ("blocks/" + "x" * 300, "blocks/" + "x" * 40),
        ("deep/" * 60 + "end", "deep_deep_"),
    ],
)
def test_changed_tags_are_recognised(tag: str, start: str) -> None:
    assert str(tag_path(tag)).startswith(start)
    assert str(tag_path(tag)) != tag


@given(_TAGS, _TAGS)
@example("fc1", "Fc1")
@example("a/b", "a_b")
@example("a", "a/")
@example("a", "/a")
@example("a", "a.")
@example("a", "./a")
@example("é", "e\u0301")
@example("ß", "ss")
def test_two_tags_never_share_a_path(one: str, other: str) -> None:
    if one != other:
        assert _as_stored(tag_path(one)) != _as_stored(tag_path(other))


@given(_TAGS)
def test_the_path_of_a_path_is_no_other_tags_path(tag: str) -> None:
    path = tag_path(tag)
    if str(path) != tag:
        assert _as_stored(tag_path(str(path))) != _as_stored(path)


@given(_TAGS)
def test_paths_stay_in_their_folder_and_can_be_held_anywhere(tag: str) -> None:
    path = tag_path(tag)
    windows = PureWindowsPath(str(path))
    assert path.parts and len(str(path)) <= MAX_PATH
    assert not path.is_absolute() and not windows.drive and not windows.root
    for part in path.parts:
        assert part.strip(". ") == part or part.startswith("."), part
        assert part not in (".", "..")
        assert not set(part) & set('<>:"/\\|?*') and part.isprintable()
        assert part.partition(".")[0].casefold() not in _DEVICES
        assert len(part.encode()) <= 255
        assert not part.endswith((".png", ".gif", ".jsonl", ".partial"))


@given(_TAGS)
def test_folders_can_be_made(tmp_path_factory: pytest.TempPathFactory, tag: str) -> None:
    root: Path = tmp_path_factory.getbasetemp() / "names"
    folder = root / tag_path(tag)
    folder.mkdir(parents=True, exist_ok=True)
    assert folder.resolve().is_relative_to(root.resolve()) and folder.resolve() != root.resolve()


@given(_TAGS)
def test_tags_for_protocol_buffers_are_utf8_and_unchanged_where_they_were(tag: str) -> None:
    changed = unicode_tag(tag)
    changed.encode("utf-8")
    if not any(0xD800 <= ord(character) <= 0xDFFF for character in tag):
        assert changed == tag
