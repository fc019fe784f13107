"""Folders here and behind URLs: files whole, lines never lost, and nothing written where it does not belong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pytest
from fsspec.asyn import AsyncFileSystem  # type: ignore[import-untyped]

from lightning_weightviz.sinks.support.folder import LocalFolder, RemoteFolder, inside, open_folder, place_of


class ObjectStore(AsyncFileSystem):  # type: ignore[misc]
    """As S3 and the like: files are put whole, by coroutines; no folders, no appending, no renaming."""

    protocol = "objects"
    objects: dict[str, bytes]
    puts: int
    fails: bool
    cachable = False

    async def _pipe_file(self, path: str, value: bytes, **_: Any) -> None:
        if ObjectStore.fails:
            raise ConnectionError("the store is away")
        ObjectStore.puts += 1
        ObjectStore.objects[path] = bytes(value)

    async def _cat_file(self, path: str, **_: Any) -> bytes:
        path = self._strip_protocol(path)
        if path not in ObjectStore.objects:
            raise FileNotFoundError(path)
        return ObjectStore.objects[path]


@pytest.fixture(autouse=True)
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Empty stores, and a working directory in which nothing may appear."""
    fsspec.register_implementation("objects", ObjectStore, clobber=True)
    ObjectStore.objects, ObjectStore.puts, ObjectStore.fails = {}, 0, False
    fsspec.filesystem("memory").store.clear()
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    yield
    assert list(work.iterdir()) == []
    fsspec.filesystem("memory").store.clear()


def _places(folder: Path) -> dict[str, str]:
    return {
        "path": str(folder / "path"),
        "file": f"file://{folder}/file",
        "memory": "memory://store/run",
        "objects": "objects://bucket/run",
    }


KINDS = sorted(_places(Path()))


def _read(place: str, name: str) -> bytes:
    """By fsspec alone, as a user would."""
    content: bytes = fsspec.filesystem(fsspec.utils.get_protocol(place)).cat_file(f"{place}/{name}")
    return content


def _records(place: str, name: str) -> list[Any]:
    return [json.loads(line) for line in _read(place, name).splitlines()]


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_where_they_belong_and_the_newest_holds(kind: str, tmp_path: Path) -> None:
    place = _places(tmp_path)[kind]
    folder = open_folder(place_of(place))
    folder.write({"a/b.png": b"one", "c.png": b"two"})
    folder.write({"a/b.png": b"three"})
    assert (_read(place, "a/b.png"), _read(place, "c.png")) == (b"three", b"two")
    if kind != "objects":
        files = fsspec.filesystem(fsspec.utils.get_protocol(place)).find(place)
        assert [file for file in files if file.endswith(".partial")] == []


@pytest.mark.parametrize("kind", KINDS)
def test_lines_of_a_run_and_of_a_resumed_one_are_all_there(kind: str, tmp_path: Path) -> None:
    place = _places(tmp_path)[kind]
    for run in range(2):
        folder = open_folder(place_of(place))
        for step in range(3):
            folder.append({"a/lines.jsonl": [{"run": run, "step": step}, {"caf\udce9": 1.5}]})
    steps = [(record["run"], record["step"]) for record in _records(place, "a/lines.jsonl")[::2]]
    assert steps == [(run, step) for run in range(2) for step in range(3)]
    assert len(_records(place, "a/lines.jsonl")) == 12


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_cut_off_by_a_crash_stays_alone(kind: str, tmp_path: Path) -> None:
    place = _places(tmp_path)[kind]
    folder = open_folder(place_of(place))
    folder.write({"lines.jsonl": b'{"step": 1}\n{"st'})
    folder.append({"lines.jsonl": [{"step": 2}]})
    assert _read(place, "lines.jsonl").splitlines() == [b'{"step": 1}', b'{"st', b'{"step": 2}']


def test_lines_that_an_object_store_refused_come_with_the_next() -> None:
    folder = open_folder("objects://bucket/run")
    folder.append({"lines.jsonl": [{"step": 1}]})
    ObjectStore.fails = True
    with pytest.raises(ConnectionError, match="is away"):
        folder.append({"lines.jsonl": [{"step": 2}]})
    assert len(_records("objects://bucket/run", "lines.jsonl")) == 1
    ObjectStore.fails = False
    folder.append({"lines.jsonl": [{"step": 3}]})
    assert _records("objects://bucket/run", "lines.jsonl") == [{"step": 1}, {"step": 2}, {"step": 3}]


def test_a_store_that_cannot_be_read_loses_no_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a file that is not there is taken as empty: else an outage would write over what it holds."""
    place = "objects://bucket/run"
    open_folder(place).append({"lines.jsonl": [{"step": 1}]})

    async def fail(*_: Any, **__: Any) -> bytes:
        raise PermissionError("no")

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "_cat_file", fail)
        with pytest.raises(PermissionError):
            open_folder(place).append({"lines.jsonl": [{"step": 2}]})
    assert _records(place, "lines.jsonl") == [{"step": 1}]


def test_a_crash_between_removing_and_renaming_loses_no_lines() -> None:
    memory = fsspec.filesystem("memory")
    open_folder("memory://run").append({"lines.jsonl": [{"step": 1}]})
    memory.mv("/run/lines.jsonl", "/run/lines.jsonl.partial")
    open_folder("memory://run").append({"lines.jsonl": [{"step": 2}]})
    assert _records("memory://run", "lines.jsonl") == [{"step": 1}, {"step": 2}]
    assert memory.find("/run") == ["/run/lines.jsonl"]


@pytest.mark.parametrize(
    ("url", "says"),
    [("s3://bucket/run", "s3fs"), ("gs://bucket/run", "gcsfs"), ("nowhere://x/run", "Protocol not known: nowhere")],
)
def test_a_url_that_cannot_be_written_to_is_named_with_what_is_missing(
    url: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("s3fs", "gcsfs"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(OSError, match=f"the folder {url} cannot be written to: .*{says}"):
        open_folder(place_of(url))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("runs/one", Path("runs/one")),
        (Path("/data/runs"), Path("/data/runs")),
        ("C:\\runs\\one", Path("C:\\runs\\one")),
        ("C:/runs", Path("C:/runs")),
        ("C://runs", Path("C://runs")),
        ("12:30/run", Path("12:30/run")),
        ("name:/run", Path("name:/run")),
        ("a:b", Path("a:b")),
        ("file:///data/runs", Path("/data/runs")),
        ("file:/data/runs", Path("/data/runs")),
        ("local:///data/runs", Path("/data/runs")),
        ("s3://bucket/runs/", "s3://bucket/runs"),
        (Path("s3://bucket/runs"), "s3://bucket/runs"),
        ("hdfs:///data/runs", "hdfs:///data/runs"),
        ("memory://", "memory://"),
        ("nowhere://x/y", "nowhere://x/y"),
        ("simplecache::s3://bucket/runs", "simplecache::s3://bucket/runs"),
    ],
)
def test_places(given: str | Path, expected: str | Path) -> None:
    found = place_of(given)
    assert found == expected and isinstance(found, Path) == isinstance(expected, Path)
    assert place_of(found) == found


def test_a_folder_in_a_folder() -> None:
    assert inside(Path("runs"), "a", "b") == Path("runs/a/b")
    assert inside("s3://bucket/runs", "a", "b") == "s3://bucket/runs/a/b"
    assert isinstance(open_folder(Path("runs")), LocalFolder) and isinstance(open_folder("memory://x"), RemoteFolder)
