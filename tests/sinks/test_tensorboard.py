"""What the TensorBoard sinks write, read back from the event files and from TensorBoard's server."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning.fabric.loggers.tensorboard as fabric_tensorboard
import lightning.pytorch.loggers
import numpy as np
import pytest
import pytorch_lightning.loggers
import tensorboardX
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image as PillowImage
from torch.utils.tensorboard import SummaryWriter

from lightning_weightviz.artifacts import Animation, Artifact, Batch, Histogram, Image, Raster, Scalar, Text
from lightning_weightviz.sinks import sink_for
from tests.support.samples import ODD_NAMES, batch, decode, frame_count, histogram, picture, read_events
from tests.support.tensorboard_server import TensorBoardServer, serve


def _lightning(folder: Path) -> Any:
    return lightning.pytorch.loggers.TensorBoardLogger(folder, name="", version="")


def _pytorch_lightning(folder: Path) -> Any:
    return pytorch_lightning.loggers.TensorBoardLogger(folder, name="", version="")


def _fabric(folder: Path) -> Any:
    return fabric_tensorboard.TensorBoardLogger(folder, name="", version="")


def _torch(folder: Path) -> Any:
    return SummaryWriter(folder)


def _tensorboard_x(folder: Path) -> Any:
    return tensorboardX.SummaryWriter(str(folder))


LOGGERS: list[Callable[[Path], Any]] = [_lightning, _pytorch_lightning, _fabric, _torch, _tensorboard_x]


def _close(logger: Any) -> None:
    getattr(logger, "experiment", logger).close()


def _write(logger: Any, folder: Path, *batches: Batch) -> None:
    sink = sink_for(logger, folder / "unused")
    for written in batches:
        sink.write(written)
    sink.flush()
    # tensorboardX's flush does not wait for its thread; closing does.
    _close(logger)


@pytest.mark.parametrize("make", LOGGERS)
def test_events_hold_every_pixel_and_count(make: Callable[[Path], Any], tmp_path: Path) -> None:
    batches = [batch(step=0, epoch=0), batch(step=44, epoch=1)]
    _write(make(tmp_path), tmp_path, *batches)
    events = read_events(tmp_path)
    for index, written in enumerate(batches):
        for artifact in written.artifacts:
            match artifact:
                case Image():
                    event = events.Images(artifact.tag)[index]
                    np.testing.assert_array_equal(decode(event.encoded_image_string), artifact.pixels)
                    assert (event.height, event.width) == artifact.pixels.shape[:2]
                case Animation():
                    event = events.Images(artifact.tag)[index]
                    assert frame_count(event.encoded_image_string) == len(artifact.frames)
                    assert (event.height, event.width) == artifact.frames[0].shape[:2]
                case Histogram():
                    event = events.Histograms(artifact.tag)[index]
                    value = event.histogram_value
                    counts = dict(zip(value.bucket_limit, value.bucket, strict=True))
                    assert counts.keys() <= set(artifact.edges[1:].tolist())
                    assert [counts.get(limit, 0) for limit in artifact.edges[1:].tolist()] == artifact.counts.tolist()
                    assert (value.min, value.max, value.num) == (artifact.minimum, artifact.maximum, 1000)
                    assert (value.sum, value.sum_squares) == (artifact.total, artifact.squares)
                case Scalar():
                    event = events.Scalars(artifact.tag)[index]
                    assert event.value == np.float32(artifact.value)
                case Text():
                    event = events.Tensors(f"{artifact.tag}/text_summary")[index]
                    assert event.tensor_proto.string_val[0].decode() == artifact.text
                    assert events.SummaryMetadata(f"{artifact.tag}/text_summary").plugin_data.plugin_name == "text"
            assert event.step == written.step
    assert not (tmp_path / "unused").exists()


def test_pictures_go_in_as_palette_png(tmp_path: Path) -> None:
    few = Raster(picture(0)[..., 0] % 8, picture(1)[0, :8])
    _write(_torch(tmp_path), tmp_path, Batch(0, 0, [Image("weights.heatmap/fc1.weight", few)]))
    content = read_events(tmp_path).Images("weights.heatmap/fc1.weight")[0].encoded_image_string
    assert PillowImage.open(io.BytesIO(content)).mode == "P"


def test_scalars_of_a_snapshot_are_one_event(tmp_path: Path) -> None:
    scalars = [Scalar(f"weights.rms/{number}", float(number)) for number in range(500)]
    _write(_torch(tmp_path), tmp_path, Batch(3, 1, scalars))
    events = read_events(tmp_path)
    assert len({events.Scalars(scalar.tag)[0].wall_time for scalar in scalars}) == 1
    assert [events.Scalars(scalar.tag)[0].value for scalar in scalars] == [scalar.value for scalar in scalars]


@pytest.mark.parametrize("make", LOGGERS)
def test_a_batch_without_artifacts_writes_no_event(make: Callable[[Path], Any], tmp_path: Path) -> None:
    _write(make(tmp_path), tmp_path, Batch(0, 0, []))
    tags = read_events(tmp_path).Tags()
    assert not tags["images"] and not tags["scalars"] and not tags["histograms"]


@pytest.mark.parametrize("package", [lightning.pytorch.loggers, pytorch_lightning.loggers, fabric_tensorboard])
def test_prefix_of_the_logger_is_before_every_tag_as_before_its_own_metrics(package: Any, tmp_path: Path) -> None:
    logger = package.TensorBoardLogger(tmp_path, name="", version="", prefix="student")
    logger.log_metrics({"loss": 1.0}, step=0)
    _write(logger, tmp_path, batch(names=["fc1.weight"]))
    tags = read_events(tmp_path).Tags()
    assert tags["images"] == ["student-weights.heatmap/fc1.weight", "student-weights.animation/fc1.weight"]
    assert tags["histograms"] == ["student-weights.histogram/fc1.weight"]
    assert tags["scalars"] == ["student-loss", "student-weights.rms/fc1.weight", "student-weights.std/fc1.weight"]


def test_own_metrics_of_the_user_stay_untouched(tmp_path: Path) -> None:
    logger = _lightning(tmp_path)
    logger.log_metrics({"loss": 0.5, "epoch": 19}, step=899)
    _write(logger, tmp_path, batch(step=899, epoch=20))
    events = read_events(tmp_path)
    assert [(event.step, event.value) for event in events.Scalars("epoch")] == [(899, 19.0)]
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(899, 0.5)]


@pytest.mark.parametrize("make", [_lightning, _torch])
def test_flush_alone_makes_all_readable(make: Callable[[Path], Any], tmp_path: Path) -> None:
    logger = make(tmp_path)
    sink = sink_for(logger, tmp_path)
    written = batch(step=3)
    sink.write(written)
    sink.flush()
    tags = read_events(tmp_path).Tags()
    texts = {tag.removesuffix("/text_summary") for tag in tags["tensors"]}
    assert texts | set(tags["images"]) | set(tags["histograms"]) | set(tags["scalars"]) == {
        artifact.tag for artifact in written.artifacts
    }
    _close(logger)


@pytest.mark.parametrize("make", [_lightning, _torch])
def test_goes_on_after_the_logger_was_closed(make: Callable[[Path], Any], tmp_path: Path) -> None:
    logger = make(tmp_path)
    sink = sink_for(logger, tmp_path)
    for step in (1, 2):
        sink.write(batch(step=step))
        _close(logger)
        sink.flush()
    assert [event.step for event in read_events(tmp_path).Images("weights.heatmap/fc1.weight")] == [1, 2]


def test_nothing_is_created_before_the_first_write(tmp_path: Path) -> None:
    sink_for(_lightning(tmp_path / "runs"), tmp_path).flush()
    assert list(tmp_path.iterdir()) == []


def test_ranks_above_zero_write_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    sink = sink_for(_lightning(tmp_path / "runs"), tmp_path)
    sink.write(batch())
    sink.flush()
    assert list(tmp_path.iterdir()) == []


def test_subclasses_are_found_by_the_name_of_their_base(tmp_path: Path) -> None:
    class Mine(SummaryWriter):
        pass

    _write(Mine(tmp_path), tmp_path, batch())
    assert read_events(tmp_path).Images("weights.heatmap/fc1.weight")


@pytest.mark.parametrize("make", [_lightning, _torch, _tensorboard_x])
def test_what_cannot_be_encoded_takes_nothing_else_with_it(make: Callable[[Path], Any], tmp_path: Path) -> None:
    """As what another one's view may bring."""
    logger, good = make(tmp_path), batch()
    bad: list[Artifact] = [Animation("mine/film", ()), Scalar("mine/number", "much")]  # type: ignore[arg-type]
    sink = sink_for(logger, tmp_path)
    with pytest.raises(IndexError):
        sink.write(Batch(good.step, good.epoch, [*bad, *good.artifacts]))
    sink.flush()
    _close(logger)
    events = read_events(tmp_path)
    found = {tag for kind in ("images", "histograms", "scalars", "tensors") for tag in events.Tags()[kind]}
    assert {tag.removesuffix("/text_summary") for tag in found} == {one.tag for one in good.artifacts}


def test_error_of_the_writer_reaches_the_caller(tmp_path: Path) -> None:
    class Full(SummaryWriter):
        full = False

        def _get_file_writer(self) -> Any:
            if self.full:
                raise OSError("no space left on device")
            return super()._get_file_writer()  # type: ignore[no-untyped-call]

    writer = Full(tmp_path)
    writer.full = True
    with pytest.raises(OSError, match="no space left"):
        sink_for(writer, tmp_path).write(batch())


@pytest.fixture(scope="module", params=["fast", "slow"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TensorBoardServer]:
    """Serves four runs, by either of TensorBoard's loaders: ours by two writers, odd tags, and a shared tag."""
    root = tmp_path_factory.mktemp("served") / "runs"
    for name, make in (("lightning", _lightning), ("tensorboardX", _tensorboard_x)):
        _write(make(root / name), root, batch(step=0, epoch=0), batch(step=44, epoch=1))
    _write(_lightning(root / "odd"), root, batch(names=ODD_NAMES))
    nothing = Histogram("empty", np.array([0.0, 1.0]), np.array([0]), math.nan, math.nan, 0.0, 0.0)
    shared = Batch(0, 0, [Image("shared", Raster(picture(1))), histogram("shared", 1), nothing])
    _write(_lightning(root / "shared"), root, shared, Batch(1, 1, [Scalar("loaded", 1.0)]))
    with serve(root, fast_loader=request.param == "fast") as running:
        running.wait_for(lambda it: "loaded" in it.tags("scalars", "shared"))
        yield running


def _tags(*kinds: type, names: tuple[str, ...]) -> set[str]:
    artifacts = batch(names=names).artifacts
    tags = {artifact.tag for artifact in artifacts if isinstance(artifact, kinds)}
    return {tag.encode("utf-8", "backslashreplace").decode() for tag in tags}


@pytest.mark.parametrize("run", ["lightning", "tensorboardX", "odd"])
def test_server_offers_every_tag(server: TensorBoardServer, run: str) -> None:
    names = ODD_NAMES if run == "odd" else ("fc1.weight", "fc2.weight")
    images, histograms = _tags(Image, Animation, names=names), _tags(Histogram, names=names)
    server.wait_for(lambda it: len(it.tags("histograms", run)) == len(histograms))
    server.wait_for(lambda it: len(it.tags("images", run)) == len(images))
    assert server.tags("images", run) == images
    assert server.tags("histograms", run) == histograms
    assert server.tags("scalars", run) == _tags(Scalar, names=names)


def test_server_answers_with_our_pictures(server: TensorBoardServer) -> None:
    for step, index in ((0, 0), (44, 1)):
        for artifact in batch(step=step).artifacts:
            if not isinstance(artifact, Image | Animation):
                continue
            entry = server.json("data/plugin/images/images", run="lightning", tag=artifact.tag, sample=0)[index]
            assert entry["step"] == step
            content = server.get(f"data/plugin/images/individualImage?{entry['query']}")
            assert content == (artifact.png if isinstance(artifact, Image) else artifact.gif)


def test_server_answers_with_our_histograms(server: TensorBoardServer) -> None:
    tag = "weights.histogram/fc2.weight"
    written = next(artifact for artifact in batch(step=44).artifacts if artifact.tag == tag)
    assert isinstance(written, Histogram)
    _, step, bins = server.json("data/plugin/histograms/histograms", run="lightning", tag=tag)[1]
    assert step == 44
    left, right, counts = np.array(bins).T
    ends = np.array([left[0], right[-1]], np.float32)
    np.testing.assert_array_equal(ends, np.array([written.minimum, written.maximum], np.float32))
    np.testing.assert_array_equal(counts, np.trim_zeros(written.counts))
    assert np.all(left < right)
    np.testing.assert_array_equal(left[1:], right[:-1])
    # What the "Distributions" tab shows: percentiles interpolated within bins of a width of 0.25.
    _, _, percentiles = server.json("data/plugin/distributions/distributions", run="lightning", tag=tag)[1]
    values = np.random.default_rng(44 * 1000 + 1).standard_normal(1000)
    for basis_points, value in percentiles:
        assert value == pytest.approx(np.percentile(values, basis_points / 100), abs=0.25)


def test_server_bears_a_histogram_of_nothing(server: TensorBoardServer) -> None:
    """All values NaN: zero bins, and the tags beside it are still there."""
    assert server.json("data/plugin/histograms/histograms", run="shared", tag="empty")[0][2] == []


def test_of_an_image_and_a_histogram_under_one_tag_one_is_lost(server: TensorBoardServer) -> None:
    """The reason why no tag of ours is shared by two kinds of data: its default loader loses both."""
    offered = [plugin for plugin in ("images", "histograms") if "shared" in server.tags(plugin, "shared")]
    assert server.tags("scalars", "shared") == {"loaded"}
    assert len(offered) < 2
