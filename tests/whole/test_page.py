"""The page of a run, from a real training: where it is, when it is written, what is on it, and what a failure does."""

from __future__ import annotations

import html
import re
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from lightning_weightviz import WeightVisualizationCallback, WeightVisualizer, report, visualize_weights
from lightning_weightviz.artifacts import Batch, Page
from lightning_weightviz.page.data import PageData
from lightning_weightviz.page.document import document
from lightning_weightviz.page.shown import WeightPage
from lightning_weightviz.training import Training
from tests.support.pages import names_on, ordinals_on, run_of
from tests.support.training import Classifier, batches, trainer

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*weight pictures and histograms are in", "ignore:.*alert '", "ignore:.*snapshots were skipped"
)
NAMES = [name for name, _ in Classifier().named_parameters()]


class Collected:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []

    def write(self, batch: Batch) -> None:
        self.batches.append(batch)

    def flush(self) -> None:
        pass

    @property
    def pages(self) -> list[Page]:
        return [one for batch in self.batches for one in batch.artifacts if isinstance(one, Page)]


class Weights(Callback):
    """Copies the weights before the first step and at the end of each epoch, and the page as it lies there."""

    def __init__(self, folder: Path) -> None:
        self.epochs: list[dict[str, np.ndarray[Any, Any]]] = []
        self.file = folder / "weightviz" / "report.html"
        self.there: list[bool] = []

    def _take(self, module: LightningModule) -> None:
        self.epochs.append({name: one.detach().numpy().copy() for name, one in module.named_parameters()})

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._take(pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._take(pl_module)
        self.there.append(self.file.is_file())


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[PageData]:
    """What each page was made of."""
    found: list[PageData] = []

    def witnessed(data: PageData) -> bytes:
        found.append(data)
        return document(data)

    monkeypatch.setattr(report, "document", witnessed)
    return found


def fit(folder: Path, *callbacks: Any, **arguments: Any) -> Trainer:
    one = trainer(folder, *callbacks, **{"logger": False, **arguments})
    one.fit(Classifier(), batches())
    return one


def visualization(**arguments: Any) -> WeightVisualizationCallback:
    return WeightVisualizationCallback(**{"report": True, "max_overhead": None, **arguments})


def test_the_page_shows_every_weight_at_the_start_and_at_the_end(tmp_path: Path, shown: list[PageData]) -> None:
    kept = Weights(tmp_path)
    fit(tmp_path, visualization(background=False), kept, max_epochs=6)
    page = tmp_path / "weightviz" / "report.html"
    assert names_on(page) == NAMES and ordinals_on(page) == [0, 1, 2, 4, 6] and run_of(page)["snapshots"] == 7
    # Written at 0, 1, 2 and 4 snapshots, and at the end.
    assert [data.snapshots for data in shown] == [1, 2, 3, 5, 7] and all(kept.there)
    data = shown[-1]
    assert data.title == "Weights of Classifier"
    for layer in data.layers:
        main = layer.targets["weights"].maps[0]
        for place, frame in enumerate(main.frames):
            values = kept.epochs[data.frames[frame].ordinal][layer.parameter.name]
            np.testing.assert_allclose(main.cells[place].reshape(values.shape), values, rtol=2.0**-11, atol=1e-8)
            rms = layer.targets["weights"].statistics["rms"][[moment.ordinal for moment in data.moments].index(frame)]
            expected = kept.epochs[data.moments[int(frame)].ordinal][layer.parameter.name]
            assert rms == pytest.approx(np.sqrt(np.mean(expected.astype(float) ** 2)), rel=1e-4)
    (head,) = data.heads
    assert head.name == "fc2.weight" and head.norms.shape == (5, 4)


def test_a_reader_never_sees_half_a_page(tmp_path: Path) -> None:
    file, seen, ended = tmp_path / "weightviz" / "report.html", set[int](), threading.Event()
    errors: list[Exception] = []

    def read() -> None:
        while not ended.is_set():
            try:
                if file.is_file():
                    seen.add(run_of(file)["snapshots"])
            except Exception as error:
                errors.append(error)
            time.sleep(0.001)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        fit(tmp_path, visualization(every_n_train_steps=1), max_epochs=10)
    finally:
        ended.set()
        reader.join()
    assert not errors and len(seen) > 1
    assert not list(tmp_path.rglob("*.partial*"))


def test_loggers_get_the_page_once_at_the_end(tmp_path: Path) -> None:
    kept = Collected()
    fit(tmp_path, visualization(sinks=[kept], prefix="student/"))
    (page,) = kept.pages
    assert page.tag == "student/report/weights"
    assert page.html == (tmp_path / "weightviz" / "student" / "report.html").read_bytes()
    assert any(isinstance(one, Page) for one in kept.batches[-1].artifacts)


def test_two_callbacks_of_one_folder_have_a_page_each(tmp_path: Path) -> None:
    fit(tmp_path, visualization(), visualization(prefix="student/", layers=["fc1.weight"]), visualization(prefix="a."))
    folder = tmp_path / "weightviz"
    assert names_on(folder / "report.html") == NAMES == names_on(folder / "a.report.html")
    assert names_on(folder / "student" / "report.html") == ["fc1.weight"]
    fit(tmp_path / "odd", visualization(prefix="../../Out of: it/"))
    [page] = tmp_path.rglob("odd/**/*.html")
    assert page.resolve().is_relative_to((tmp_path / "odd" / "weightviz").resolve())


def test_without_a_report_nothing_is_written_and_the_page_is_there(tmp_path: Path, shown: list[PageData]) -> None:
    kept = Collected()
    callback = WeightVisualizationCallback(sinks=[kept], max_overhead=None)
    assert names_on(callback.page.content) == []
    shown.clear()
    fit(tmp_path, callback, max_epochs=5)
    assert not kept.pages and not list(tmp_path.rglob("report.html")) and not shown
    page = callback.page.content
    assert names_on(page) == NAMES and ordinals_on(page) == [0, 1, 2, 4, 5]


def test_the_page_can_be_had_while_training_goes_on(tmp_path: Path) -> None:
    callback, pages = visualization(), list[bytes]()

    class Asks(Callback):
        def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            pages.append(callback.page.content)

    fit(tmp_path, callback, Asks(), max_epochs=3)
    assert [run_of(page)["snapshots"] for page in pages] == [2, 3, 4]


def test_findings_are_on_the_page(tmp_path: Path) -> None:
    class Breaks(Callback):
        def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
            with torch.no_grad():
                next(pl_module.parameters())[0, 0] = torch.nan

    callback = visualization(on_alert="ignore")
    fit(tmp_path, Breaks(), callback)
    found = run_of(tmp_path / "weightviz" / "report.html")["findings"]
    assert [one["rule"] for one in found] == [one.rule for one in callback.findings]
    assert {one["open"] for one in found if one["rule"] == "nan"} == {True}


def test_a_page_that_cannot_be_made_is_reported_once_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    def fails(data: PageData) -> bytes:
        raise ZeroDivisionError("no page today")

    monkeypatch.setattr(report, "document", fails)
    kept = Collected()
    one = fit(tmp_path, visualization(sinks=[kept]))
    assert one.current_epoch == 3 and not kept.pages and len(kept.batches) >= 4
    [reported] = [str(warning.message) for warning in recwarn if "failed with" in str(warning.message)]
    assert reported.startswith("making the report failed with ZeroDivisionError: no page today")


def test_a_folder_that_cannot_be_written_to_is_reported_once_and_loggers_get_the_page(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    (tmp_path / "weightviz").write_text("a file")
    kept = Collected()
    fit(tmp_path, visualization(sinks=[kept]))
    assert len(kept.pages) == 1
    [reported] = [str(warning.message) for warning in recwarn if "failed with" in str(warning.message)]
    assert reported.startswith("writing the report failed with")


@pytest.mark.parametrize("colormap", ["PuOr", "viridis"])
def test_the_page_has_the_colours_of_the_pictures(tmp_path: Path, colormap: str) -> None:
    from matplotlib import colormaps

    callback = visualization(colormap=colormap)
    fit(tmp_path, callback, max_epochs=1)
    table = np.rint(255 * colormaps[colormap].resampled(201)(np.arange(201))[:, :3]).astype(np.uint8)
    pages: list[bytes | Path] = [tmp_path / "weightviz" / "report.html", callback.page.content]
    pages.append(visualize_weights(Classifier(), interactive=True, colormap=colormap).content)
    for page in pages:
        assert run_of(page)["colours"] == table.tobytes().hex()


def test_a_training_that_fails_leaves_its_page(tmp_path: Path) -> None:
    class Fails(Callback):
        def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
            if trainer.current_epoch == 3:
                raise KeyboardInterrupt

    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(tmp_path, Fails(), visualization(), max_epochs=5)
    assert ordinals_on(tmp_path / "weightviz" / "report.html") == [0, 1, 2, 3]


def test_a_resumed_training_shows_what_came_before(tmp_path: Path, shown: list[PageData]) -> None:
    kept = Weights(tmp_path)
    first = fit(tmp_path, visualization(background=False), kept, max_epochs=2)
    first.save_checkpoint(tmp_path / "last.ckpt")
    callback = visualization(background=False)
    trainer(tmp_path, callback, logger=False, max_epochs=4).fit(
        Classifier(), batches(), ckpt_path=str(tmp_path / "last.ckpt")
    )
    data = shown[-1]
    assert [frame.ordinal for frame in data.frames] == [0, 1, 2, 4] and data.snapshots == 5
    fc1 = data.layers[NAMES.index("fc1.weight")].targets["weights"].maps[0]
    np.testing.assert_allclose(fc1.cells[0], kept.epochs[0]["fc1.weight"], rtol=2.0**-10, atol=1e-6)


def go_on(folder: Path, shown: list[PageData]) -> PageData:
    """The last page of a training that is resumed in its folder, up to eight epochs."""
    trainer(folder, visualization(background=False), logger=False, max_epochs=8).fit(
        Classifier(), batches(), ckpt_path=str(folder / "last.ckpt")
    )
    return shown[-1]


def test_a_resumed_training_has_all_that_the_earlier_page_held(tmp_path: Path, shown: list[PageData]) -> None:
    first = fit(tmp_path, visualization(background=False), max_epochs=4)
    first.save_checkpoint(tmp_path / "last.ckpt")
    before, data = shown[-1], go_on(tmp_path, shown)
    assert [frame.ordinal for frame in data.frames] == [0, 1, 2, 4, 8] and data.frames[:4] == before.frames
    for layer, expected in zip(data.layers, before.layers, strict=True):
        ours, theirs = layer.targets["weights"], expected.targets["weights"]
        for one, other in zip(ours.maps, theirs.maps, strict=True):
            assert one.frames.tolist() == [0, 1, 2, 3, 4] and one.kept is None and one.off is not None
            assert (one.off[:4] > 0).all() and one.off[4] == 0
            bound = one.off[:4].reshape(-1, *[1] * (other.cells.ndim - 1)) + 2.0**-11 * np.abs(other.cells)
            assert (np.abs(one.cells[:4] - other.cells) <= bound).all() and one.off.max() < 0.01 * one.limit
        histograms = ours.histograms
        assert histograms is not None and theirs.histograms is not None
        assert histograms.frames.tolist() == [0, 1, 2, 3, 4]
        np.testing.assert_array_equal(histograms.counts[:4], theirs.histograms.counts)
        np.testing.assert_allclose(histograms.edges[:4], theirs.histograms.edges, rtol=2e-4, atol=1e-9)
        assert (ours.spectra is None) == (theirs.spectra is None)
        if ours.spectra is not None and theirs.spectra is not None:
            np.testing.assert_allclose(ours.spectra.values[:4], theirs.spectra.values, rtol=2e-4, atol=1e-9)
    (head,), (expected_head,) = data.heads, before.heads
    np.testing.assert_allclose(head.norms[:4], expected_head.norms, rtol=2e-4)
    assert head.cosine is not None and expected_head.cosine is not None
    np.testing.assert_allclose(head.cosine[:4], expected_head.cosine, atol=0.01)


FAULTS = ["none", "half", "another run", "another version", "no page", "no blocks", "odd facts", "gone"]


@pytest.mark.parametrize("fault", FAULTS)
def test_an_earlier_page_that_is_broken_or_foreign_is_ignored(
    tmp_path: Path, shown: list[PageData], fault: str, recwarn: pytest.WarningsRecorder
) -> None:
    first = fit(tmp_path, visualization(background=False), max_epochs=4)
    first.save_checkpoint(tmp_path / "last.ckpt")
    file = tmp_path / "weightviz" / "report.html"
    page = file.read_bytes()
    if fault == "another run":
        other = Classifier()
        with torch.no_grad():
            other.fc1.weight[0] *= 1.1
        trainer(tmp_path / "other", visualization(), logger=False, max_epochs=4).fit(other, batches())
        page = (tmp_path / "other" / "weightviz" / "report.html").read_bytes()
    page = {
        "half": page[: page.index(b'id="block-2"') + 40],
        "another version": page.replace(b'"format":1', b'"format":0'),
        "no page": b"\xff\x00 not a page",
        "no blocks": re.sub(rb'(id="block-[1-9]">)[^<]*', rb"\1AAAA", page),
        "odd facts": re.sub(rb'"frames":\[[^]]*\]', b'"frames":["x",null]', page),
    }.get(fault, page)
    file.unlink()
    if fault != "gone":
        file.write_bytes(page)
    shown.clear()
    data = go_on(tmp_path, shown)
    assert [frame.ordinal for frame in data.frames] == [0, 1, 2, 4, 8]
    histograms = data.layers[0].targets["weights"].histograms
    assert histograms is not None and (histograms.frames.tolist() == [0, 1, 2, 3, 4]) == (fault == "none")
    assert not [str(one.message) for one in recwarn if "failed with" in str(one.message)]


def test_a_further_fit_of_the_same_trainer_loses_nothing(tmp_path: Path, shown: list[PageData]) -> None:
    module, one = Classifier(), trainer(tmp_path, visualization(), logger=False, max_epochs=2)
    one.fit(module, batches())
    one.fit_loop.max_epochs = 4
    one.fit(module, batches())
    data = shown[-1]
    assert [frame.ordinal for frame in data.frames] == [0, 1, 2, 4]
    for layer in data.layers:
        histograms = layer.targets["weights"].histograms
        # A resumed run, which has the film alone, begins without.
        assert histograms is not None and histograms.frames.tolist() == [0, 1, 2, 3], layer.parameter.name


def test_the_page_counts_as_time_that_was_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(data: PageData) -> bytes:
        begun = time.thread_time()
        while time.thread_time() - begun < 0.3:
            pass
        return b"slow"

    monkeypatch.setattr(report, "document", slow)
    visualizer = WeightVisualizer(Classifier(), folder=tmp_path, report=True)
    training = Training(visualizer, initial=True)
    training.take_initial()
    training.end(1, 0)
    assert training.schedule.lost > 0.6  # at the first snapshot, by a thread or waited for, and at the end
    assert visualizer.page == b"slow"


def test_a_notebook_shows_the_page_escaped_once(tmp_path: Path) -> None:
    content = '<!doctype html><p title="a &amp; b">größe</p><script>"</iframe>"</script>'.encode()
    page = WeightPage(content)
    shown = page._repr_html_()
    [source] = re.findall(r'<iframe srcdoc="([^"]*)"', shown)
    assert html.unescape(source).encode() == content
    assert shown.count("<") == 2 and "allow-same-origin" not in shown
    assert page.save(tmp_path / "page.html").read_bytes() == content and len(repr(page)) < 40
    with pytest.raises(FileNotFoundError):
        page.save(tmp_path / "missing" / "page.html")


def test_a_model_alone_is_a_page_of_one_moment(tmp_path: Path, shown: list[PageData]) -> None:
    page = visualize_weights(Classifier(), interactive=True, class_names=list("abcd"))
    assert isinstance(page, WeightPage) and names_on(page.content) == NAMES
    assert run_of(page.content)["title"] == "Weights of Classifier"
    torch.save(Classifier().state_dict(), tmp_path / "last.pt")
    page = visualize_weights(tmp_path / "last.pt", "fc1", interactive=True)
    assert names_on(page.content) == ["fc1.weight", "fc1.bias"] and "last.pt" in run_of(page.content)["title"]
    with pytest.raises(TypeError, match="interactive must be True or False, got 'page'"):
        visualize_weights(Classifier(), interactive="page")  # type: ignore[call-overload]


HOSTILE = ["</script><script>alert(1)</script>", 'a"b', "x" * 300, "\u202eevil", "\ud83d half", "a/b c\n"]


def test_names_that_could_be_markup_stay_data(tmp_path: Path) -> None:
    class Odd(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name in HOSTILE:
                self.register_parameter(name, torch.nn.Parameter(torch.randn(3, 4)))

    visualizer = WeightVisualizer(Odd(), folder=tmp_path, report=True, on_alert="ignore")
    visualizer.log(0)
    visualizer.finish()
    page = tmp_path / "weightviz" / "report.html"
    assert b"<script>alert" not in page.read_bytes()
    assert len(names_on(page)) == len(HOSTILE) and HOSTILE[1] in names_on(page) and HOSTILE[3] in names_on(page)


@pytest.mark.parametrize("views", [(), ("spectrum",)], ids=["page alone", "view"])
@pytest.mark.parametrize("snapshots", [3, 6])
def test_singular_values_are_those_of_the_milestones_and_of_the_last_snapshot(
    snapshots: int, views: tuple[str, ...], tmp_path: Path, shown: list[PageData]
) -> None:
    first = torch.nn.Linear(12, 9)
    model = torch.nn.Sequential(first, torch.nn.Linear(9, 4))
    visualizer = WeightVisualizer(model, sinks=[Collected()], folder=tmp_path, views=views, report=True)
    truth = []
    for step in range(snapshots):
        with torch.no_grad():
            first.weight.mul_(1.5)
        truth.append(np.linalg.svd(first.weight.detach().double().numpy(), compute_uv=False))
        visualizer.log(step, epoch=step)
    visualizer.finish()
    (layer,) = (one for one in shown[-1].layers if one.parameter.name == "0.weight")
    spectra = layer.targets["weights"].spectra
    assert spectra is not None and spectra.exact
    ordinals = [shown[-1].frames[frame].ordinal for frame in spectra.frames]
    assert ordinals == sorted({0, 1, 2, 4, snapshots - 1} & set(range(snapshots)))
    for found, ordinal in zip(spectra.values, ordinals, strict=True):
        np.testing.assert_allclose(found, truth[ordinal], rtol=1e-4, atol=1e-5)
    (bias,) = (one for one in shown[-1].layers if one.parameter.name == "0.bias")
    assert bias.targets["weights"].spectra is None
