"""The file fallback: CSVLogger, loggers that nobody here knows, and no logger at all."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.fabric.loggers.csv_logs as fabric_csv
import lightning.pytorch.loggers
import numpy as np
import pytest
import pytorch_lightning.loggers

from lightning_weightviz.artifacts import Animation, Batch, Histogram, Image, Raster, Scalar, Text
from lightning_weightviz.sinks import sink_for
from lightning_weightviz.sinks.files import FileSink
from lightning_weightviz.sinks.support.histogram_pictures import draw_histogram
from tests.support.samples import ODD_NAMES, PARAMETERS, batch, decode, frame_count, histogram, picture

pytestmark = pytest.mark.filterwarnings("ignore:.*weight pictures and histograms are in")


class Recorder(lightning.pytorch.loggers.Logger):
    """A third party's logger: what it was given, and a folder if it is given one."""

    def __init__(self, save_dir: str | None = None, error: Exception | None = None) -> None:
        super().__init__()
        self.calls: list[tuple[dict[str, float], int | None]] = []
        self.saves = 0
        self._save_dir = save_dir
        self._error = error

    @property
    def name(self) -> str:
        return "digits"

    @property
    def version(self) -> int:
        return 3

    @property
    def save_dir(self) -> str | None:
        return self._save_dir

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        if self._error:
            raise self._error
        self.calls.append((metrics, step))

    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        pass

    def save(self) -> None:
        self.saves += 1


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def _scalars(written: Batch) -> dict[str, float]:
    return {artifact.tag: artifact.value for artifact in written.artifacts if isinstance(artifact, Scalar)}


@pytest.mark.parametrize(
    "make",
    [
        lambda root: lightning.pytorch.loggers.CSVLogger(root, name="", version="run"),
        lambda root: pytorch_lightning.loggers.CSVLogger(root, name="", version="run"),
        lambda root: fabric_csv.CSVLogger(root, name="", version="run"),
    ],
    ids=["lightning", "pytorch_lightning", "fabric"],
)
def test_csv_logger_holds_scalars_and_its_folder_the_rest(make: Any, tmp_path: Path) -> None:
    sink = sink_for(make(tmp_path), tmp_path / "unused")
    batches = [batch(step=0, epoch=0), batch(step=44, epoch=1)]
    for written in batches:
        sink.write(written)
    sink.flush()

    folder = tmp_path / "run"
    assert _files(folder) == {
        "metrics.csv",
        "weightviz/manifest.jsonl",
        "weightviz/findings.md",
        *(f"weightviz/weights.heatmap/{name}/step_{step:08d}.png" for name in PARAMETERS for step in (0, 44)),
        *(f"weightviz/weights.animation/{name}/step_{step:08d}.gif" for name in PARAMETERS for step in (0, 44)),
        *(f"weightviz/weights.histogram/{name}/histogram.jsonl" for name in PARAMETERS),
        *(f"weightviz/weights.histogram/{name}/step_{step:08d}.png" for name in PARAMETERS for step in (0, 44)),
    }
    rows = _rows(folder / "metrics.csv")
    assert [int(row.pop("step")) for row in rows] == [0, 44]
    assert [{tag: float(value) for tag, value in row.items()} for row in rows] == [_scalars(b) for b in batches]
    _check_files(folder / "weightviz", batches)
    assert not (tmp_path / "unused").exists()


def _check_files(folder: Path, batches: list[Batch]) -> None:
    """Every artifact but the scalars is in the manifest, in order, and its file holds it."""
    manifest = _lines(folder / "manifest.jsonl")
    expected = [(b, artifact) for b in batches for artifact in b.artifacts if not isinstance(artifact, Scalar)]
    for line, (written, artifact) in zip(manifest, expected, strict=True):
        assert (line["tag"], line["step"], line["epoch"]) == (artifact.tag, written.step, written.epoch)
        content = (folder / line["file"]).read_bytes()
        match artifact:
            case Text():
                # The newest is there.
                newest = [one.text for one in batches[-1].artifacts if isinstance(one, Text)]
                assert line["kind"] == "text" and [content.decode()] == newest
            case Image():
                assert (line["kind"], line["caption"]) == ("image", artifact.caption)
                np.testing.assert_array_equal(decode(content), artifact.pixels)
            case Animation():
                assert line["kind"] == "animation"
                assert frame_count(content) == len(artifact.frames)
            case Histogram():
                assert line["kind"] == "histogram"
                drawn = (folder / line["file"]).with_name(f"step_{written.step:08d}.png")
                expected_pixels = draw_histogram(artifact, written.step, written.epoch).pixels
                np.testing.assert_array_equal(decode(drawn.read_bytes()), expected_pixels)
                (found,) = [h for h in _lines(folder / line["file"]) if h["step"] == written.step]
                assert found == {
                    "step": written.step,
                    "epoch": written.epoch,
                    "minimum": artifact.minimum,
                    "maximum": artifact.maximum,
                    "sum": artifact.total,
                    "sum_squares": artifact.squares,
                    "edges": artifact.edges.tolist(),
                    "counts": artifact.counts.tolist(),
                }


def test_odd_tags_keep_their_pictures_apart_and_inside(tmp_path: Path) -> None:
    written = batch(names=ODD_NAMES)
    sink_for(None, tmp_path / "root").write(written)
    assert {path.name for path in tmp_path.iterdir()} == {"root"}
    folder = tmp_path / "root" / "weightviz"
    _check_files(folder, [written])
    assert len({line["file"].casefold() for line in _lines(folder / "manifest.jsonl")}) == 1 + 3 * len(ODD_NAMES)


def test_rows_of_the_user_and_ours_both_stay(tmp_path: Path) -> None:
    """New keys make CSVLogger write its file anew: early and late ones, and a save between them."""
    logger = lightning.pytorch.loggers.CSVLogger(tmp_path, name="", version="run", flush_logs_every_n_steps=7)
    sink = sink_for(logger, tmp_path)
    late = [Scalar(f"weights.late/{number}", float(number)) for number in range(150)]
    for step in range(40):
        logger.log_metrics({"loss": 1.0 / (step + 1), "epoch": step // 10}, step=step)
        if step % 10 == 9:
            first = [Scalar("weights.rms/fc1.weight", float(step))]
            sink.write(Batch(step, step // 10 + 1, first + (late if step > 15 else [])))
    sink.flush()
    rows = _rows(tmp_path / "run" / "metrics.csv")
    own = [row for row in rows if row["loss"]]
    assert [(int(row["step"]), float(row["loss"]), int(row["epoch"])) for row in own] == [
        (step, 1.0 / (step + 1), step // 10) for step in range(40)
    ]
    ours = [row for row in rows if not row["loss"]]
    assert [(int(row["step"]), float(row["weights.rms/fc1.weight"])) for row in ours] == [
        (step, float(step)) for step in (9, 19, 29, 39)
    ]
    assert [row["weights.late/149"] for row in ours] == ["", "149.0", "149.0", "149.0"]


def test_prefix_of_the_logger_is_left_to_it(tmp_path: Path) -> None:
    logger = lightning.pytorch.loggers.CSVLogger(tmp_path, name="", version="run", prefix="student")
    sink = sink_for(logger, tmp_path)
    sink.write(Batch(0, 0, [Scalar("weights.rms/fc1.weight", 1.0)]))
    sink.flush()
    assert set(_rows(tmp_path / "run" / "metrics.csv")[0]) == {"step", "student-weights.rms/fc1.weight"}


def test_csv_logger_does_not_find_its_folder_in_use(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    sink_for(lightning.pytorch.loggers.CSVLogger(tmp_path), tmp_path).write(batch())
    assert not [warning for warning in recwarn if "is not empty" in str(warning.message)]


def test_all_scalars_of_a_snapshot_are_one_call(tmp_path: Path) -> None:
    logger, written = Recorder(), batch()
    sink = sink_for(logger, tmp_path)
    sink.write(written)
    sink.write(Batch(900, 20, [histogram("weights.histogram/fc1.weight", 1)]))
    assert logger.calls == [(_scalars(written), 899)]
    assert logger.saves == 0
    sink.flush()
    assert logger.saves == 1


def test_folder_is_where_lightning_puts_checkpoints(tmp_path: Path) -> None:
    sink_for(Recorder(str(tmp_path / "saved")), tmp_path / "unused").write(batch())
    assert (tmp_path / "saved/digits/version_3/weightviz/manifest.jsonl").exists()
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize("save_dir", [None, "https://tracking.example/runs"])
def test_folder_given_is_used_where_the_logger_has_none_here(
    save_dir: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sink_for(Recorder(save_dir), tmp_path / "given").write(batch())
    assert [path.name for path in tmp_path.iterdir()] == ["given"]
    assert (tmp_path / "given/weightviz/manifest.jsonl").exists()


def test_without_a_logger_scalars_are_in_a_file_too(tmp_path: Path) -> None:
    batches = [batch(step=0, epoch=0), batch(step=44, epoch=1)]
    sink = sink_for(None, tmp_path)
    for written in batches:
        sink.write(written)
    sink.flush()
    _check_files(tmp_path / "weightviz", batches)
    assert _lines(tmp_path / "weightviz" / "scalars.jsonl") == [
        {"step": written.step, "epoch": written.epoch, "values": _scalars(written)} for written in batches
    ]


def test_a_later_sink_goes_on_in_the_same_files(tmp_path: Path) -> None:
    """As after a resume: nothing of before is lost, and a step written again has its new picture."""
    before, again, after = batch(step=44, epoch=1), batch(step=44, epoch=1), batch(step=89, epoch=2)
    sink_for(None, tmp_path).write(before)
    sink = sink_for(None, tmp_path)
    sink.write(after)
    folder = tmp_path / "weightviz"
    _check_files(folder, [before, after])
    changed = Image("weights.heatmap/fc1.weight", Raster(picture(5)), "again")
    sink.write(Batch(again.step, 1, [changed]))
    last = _lines(folder / "manifest.jsonl")[-1]
    assert last["caption"] == "again"
    np.testing.assert_array_equal(decode((folder / last["file"]).read_bytes()), changed.pixels)


def test_a_line_cut_off_by_a_crash_spoils_no_other(tmp_path: Path) -> None:
    sink_for(None, tmp_path).write(batch(step=1))
    manifest = tmp_path / "weightviz" / "manifest.jsonl"
    whole = manifest.read_text().splitlines()
    with manifest.open("a") as file:
        file.write('{"tag": "weights.heat')
    sink_for(None, tmp_path).write(batch(step=2))
    lines = manifest.read_text().splitlines()
    assert lines[: len(whole)] == whole
    assert lines[len(whole)] == '{"tag": "weights.heat'
    assert [json.loads(line)["step"] for line in lines[len(whole) + 1 :]] == [2] * 7


def test_a_picture_cut_off_while_written_has_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink, image = sink_for(None, tmp_path), Image("weights.heatmap/fc1.weight", Raster(picture(1)))
    sink.write(Batch(1, 0, [image]))

    def half(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", half)
        for step in (1, 2):
            with pytest.raises(OSError, match="no space left"):
                sink.write(Batch(step, 0, [Image(image.tag, Raster(picture(2)))]))
    folder = tmp_path / "weightviz" / "weights.heatmap" / "fc1.weight"
    assert [path.name for path in folder.glob("*.png")] == ["step_00000001.png"]
    np.testing.assert_array_equal(decode((folder / "step_00000001.png").read_bytes()), image.pixels)
    sink.write(Batch(2, 0, [image]))
    assert sorted(path.name for path in folder.glob("*.png")) == ["step_00000001.png", "step_00000002.png"]


def test_error_of_the_logger_reaches_the_caller_and_pictures_are_written(tmp_path: Path) -> None:
    error = ConnectionError("the tracking server is away")
    sink = sink_for(Recorder(str(tmp_path), error), tmp_path)
    with pytest.raises(ConnectionError, match="is away"):
        sink.write(batch())
    _check_files(tmp_path / "digits" / "version_3" / "weightviz", [batch()])


def test_what_cannot_be_drawn_takes_nothing_else_with_it(tmp_path: Path) -> None:
    """As what another one's view may bring."""
    good = batch()
    no_frames = Animation("mine/film", ())
    no_width = Histogram("mine/counts", np.zeros(2), np.array([1]), 0.0, 0.0, 0.0, 0.0)
    no_number = Scalar("mine/number", "much")  # type: ignore[arg-type]
    for bad in (no_frames, no_width, no_number):
        folder = tmp_path / type(bad).__name__
        with pytest.raises((IndexError, FloatingPointError, ValueError, TypeError)), np.errstate(all="raise"):
            sink_for(None, folder).write(Batch(good.step, good.epoch, [bad, *good.artifacts]))
        if bad is no_width:
            # Its counts are written all the same.
            assert len(_lines(folder / "weightviz" / "manifest.jsonl")) == 1 + 7
            assert not list((folder / "weightviz" / "mine").rglob("*.png"))
        else:
            _check_files(folder / "weightviz", [good])
        (line,) = _lines(folder / "weightviz" / "scalars.jsonl")
        assert line["values"] == _scalars(good)


def test_a_file_that_cannot_be_written_takes_no_other_with_it_and_is_not_listed(tmp_path: Path) -> None:
    written, folder = batch(), tmp_path / "weightviz"
    blocked = [folder / "findings.md", folder / "weights.heatmap/fc1.weight/step_00000899.png"]
    blocked += [folder / "weights.histogram/fc2.weight/histogram.jsonl"]
    for path in blocked:
        path.mkdir(parents=True)
    with pytest.raises(OSError, match=r"findings\.md"):
        sink_for(None, tmp_path).write(written)
    histograms = {f"weights.histogram/{name}" for name in PARAMETERS}
    left_out = {"findings/weights", "weights.heatmap/fc1.weight", *histograms}
    rest = [one for one in written.artifacts if one.tag not in left_out]
    _check_files(folder, [Batch(written.step, written.epoch, rest)])
    assert len(_lines(folder / "scalars.jsonl")) == 1
    assert all((folder / tag / "step_00000899.png").is_file() for tag in histograms)


def test_a_prefix_of_any_length_has_its_findings(tmp_path: Path) -> None:
    given = batch()
    for length in (40, 140, 160, 400):
        prefix = ("experiment-" * 3 + "a/") * 12
        tags = [replace(one, tag=prefix[:length] + one.tag) for one in given.artifacts]
        written = Batch(given.step, given.epoch, tags)
        sink_for(None, tmp_path / str(length)).write(written)
        _check_files(tmp_path / str(length) / "weightviz", [written])


def test_not_finite_bounds_are_json_too(tmp_path: Path) -> None:
    nothing = Histogram("h", np.array([0.0, 1.0]), np.array([0]), float("nan"), float("nan"), 0.0, float("inf"))
    sink_for(None, tmp_path).write(Batch(0, 0, [nothing]))
    (line,) = _lines(tmp_path / "weightviz" / "h" / "histogram.jsonl")
    assert (line["minimum"], line["maximum"], line["sum"], line["sum_squares"]) == (None, None, 0.0, None)


def test_says_once_where_the_files_are(tmp_path: Path) -> None:
    sink = sink_for(Recorder(str(tmp_path)), tmp_path)
    place = tmp_path / "digits" / "version_3" / "weightviz"
    with pytest.warns(UserWarning, match="Recorder") as warned:
        sink.write(Batch(0, 0, [Scalar("weights.rms/fc1.weight", 1.0)]))
        assert not warned
        sink.write(batch(step=1))
        sink.write(batch(step=2))
    (message,) = [str(warning.message) for warning in warned]
    assert str(place) in message and os.path.isdir(place)


def test_what_is_no_logger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"cannot write to str: .* register_sink"):
        FileSink("runs", tmp_path)
