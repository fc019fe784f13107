"""Names of files: recognised, never colliding, never outside their folder."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lightning_weightviz.sinks.support.names import (
    MAX_COMPONENT,
    MAX_KEY,
    MAX_PATH,
    page_file,
    tag_path,
    text_file,
    tracker_key,
    unicode_tag,
)
from tests.support.samples import ODD_NAMES

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


@pytest.mark.parametrize(
    ("tag", "file"),
    [
        ("findings/weights", "findings.md"),
        ("run/findings/weights", "run/findings.md"),
        ("run-findings/weights", "run-findings.md"),
        ("Run/findings/weights", f"{tag_path('Run')}/findings.md"),
        ("notes", "notes.md"),
    ],
)
def test_a_text_lies_beside_the_folders_of_pictures(tag: str, file: str) -> None:
    assert text_file(tag) == file


@given(_TAGS)
@example("/")
@example("/weights")
@example("../weights")
def test_texts_and_pages_have_a_file_whatever_their_tag(tag: str) -> None:
    for name, kind in ((text_file(tag), ".md"), (page_file(tag), ".html")):
        path = PurePosixPath(name)
        assert path.suffix == kind and path.stem.strip(". ") and not path.is_absolute()
        assert len(name) <= MAX_PATH + len(kind)
        for part in path.parts:
            assert part not in (".", "..") and not set(part) & set('<>:"/\\|?*') and part.isprintable()
            # While it is written it has ".partial" behind it.
            assert len(part.encode()) <= 255 - len(".partial")


@pytest.mark.parametrize("length", range(140, 180, 3))
def test_runs_with_long_prefixes_have_texts_and_pages_of_their_own(length: int) -> None:
    folders = [f"{'experiment-' * 3}{number}/" * 4 for number in range(2)]
    prefixes = [(folder * 2)[: length - 1] + "/" for folder in folders]
    files = {
        file(f"{prefix}{group}/weights")
        for prefix in prefixes
        for file, group in ((text_file, "findings"), (page_file, "report"))
    }
    assert len(files) == 4
    assert all(file.startswith("experiment-") for file in files)


@given(_TAGS)
def test_tags_for_protocol_buffers_are_utf8_and_unchanged_where_they_were(tag: str) -> None:
    changed = unicode_tag(tag)
    changed.encode("utf-8")
    if not any(0xD800 <= ord(character) <= 0xDFFF for character in tag):
        assert changed == tag


@pytest.mark.parametrize(
    "tag",
    [
        "weights.heatmap/fc1.weight",
        "weights.rms/encoder.LayerNorm.weight",
        "classes.norm/T-shirt/Top",
        "classes.norm/ankle boot",
        "weights.rms/base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight",
    ],
)
@pytest.mark.parametrize("ascii_only", [False, True])
def test_usual_tags_are_keys(tag: str, ascii_only: bool) -> None:
    assert tracker_key(tag, ascii_only=ascii_only) == tag


@given(_TAGS, _TAGS, st.booleans())
@example("a", "a.", False)
@example("a/b", "a/ b", True)
@example("größe", "gr_e-d353a2671b", True)
def test_two_tags_never_share_a_key(one: str, other: str, ascii_only: bool) -> None:
    if one != other:
        assert tracker_key(one, ascii_only=ascii_only) != tracker_key(other, ascii_only=ascii_only)


@given(_TAGS, st.booleans(), st.integers(MAX_COMPONENT, MAX_KEY))
def test_keys_are_what_trackers_take(tag: str, ascii_only: bool, longest: int) -> None:
    key = tracker_key(tag, ascii_only=ascii_only, longest=longest)
    assert len(key.encode()) <= max(longest, 4 * MAX_COMPONENT)
    if ascii_only:
        # MLflow's own rules: its alphabet, its length, and a name that is no other name's path.
        assert re.fullmatch(r"[A-Za-z0-9_\-./ ]+", key) and posixpath.normpath(key) == key
        assert len(key) <= longest and not key.startswith(("/", ".."))
    for part in key.split("/"):
        assert part.strip(" .") == part and part and part.isprintable()
        assert not set(part) & set('<>:"\\|?*')
