"""What stands below the map, and two runs beside each other: in Chromium, from the disk."""

from __future__ import annotations

import dataclasses
import html
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_weightviz.page.data import Layer, PageData, Series, When
from lightning_weightviz.page.document import document
from lightning_weightviz.snapshot import Parameter
from tests.page import samples
from tests.page.reading import Reader, number_of
from tests.support.readers import NEEDS_BROWSER, browser, reader

__all__ = ["browser", "reader"]
pytestmark = NEEDS_BROWSER

HEAD = "classifier.weight"
# A parameter without anything, one of no values, and one of a value that is none.
ODD = (
    Layer(Parameter("w", "other", "", (), "float32", "vector"), {}),
    Layer(
        Parameter("v", "other", "", (0, 3), "float32", "matrix"),
        {"weights": Series({}, (samples.matrix_map(np.zeros((1, 0, 3), np.float32)),))},
    ),
    Layer(
        Parameter("u", "other", "", (1, 1), "float32", "matrix"),
        {
            "weights": Series(
                {"rms": np.full(1, np.nan, np.float32)}, (samples.matrix_map(np.full((1, 1, 1), np.nan, np.float32)),)
            )
        },
    ),
)


@pytest.fixture(scope="module")
def network() -> tuple[PageData, bytes, dict[str, Any]]:
    data, values = samples.network()
    return data, document(data), values


def layer_of(data: PageData, name: str) -> Layer:
    return next(layer for layer in data.layers if layer.parameter.name == name)


def table(reader: Reader, selector: str) -> dict[str, list[str]]:
    cells = "row => [...row.cells].map(cell => cell.textContent)"
    rows = reader.ask(f"[...document.querySelectorAll('{selector} tbody tr')].map({cells})")
    return {row[0]: row[1:] for row in rows}


def test_statistics_as_curves_and_as_a_table(reader: Reader, network: tuple[PageData, bytes, dict[str, Any]]) -> None:
    data, page, _ = network
    reader.open(page, "#layer=rnn.weight_ih_l0&frame=5")
    curves = layer_of(data, "rnn.weight_ih_l0").targets["weights"].statistics
    charts = reader.ask("[...document.querySelectorAll('#curves .chart h4')].map(one => one.firstChild.textContent)")
    zeros = reader.text("#curves > p")
    assert len(charts) + len(zeros.split(", ")) == len(curves)
    assert reader.ask("document.querySelectorAll('#curves .uplot canvas').length") == len(charts)
    said = table(reader, "#curves")
    for word, name in (("rms", "rms"), ("|max|", "absmax"), ("stable rank", "stable_rank")):
        moments = [0, data.frames[5].ordinal, len(data.moments) - 1]
        for text, place in zip(said[word], moments, strict=True):
            assert number_of(text)[0] == pytest.approx(float(curves[name][place]), rel=1e-3)
    start, _, end = said["turned since start (°)"]
    assert start == "0"
    assert number_of(end)[0] == pytest.approx(np.degrees(np.arccos(1 - curves["rotation"][-1])), rel=1e-3)


def test_curve_leads_to_its_time(reader: Reader, network: tuple[PageData, bytes, dict[str, Any]]) -> None:
    data, page, _ = network
    reader.open(page)
    box = reader.box("#curves .chart .u-over")
    share = data.frames[7].step / data.moments[-1].step
    x, y = box["x"] + share * box["width"], box["y"] + 30
    reader.cdp("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    for kind in ("mousePressed", "mouseReleased"):
        reader.cdp("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
    reader.settle()
    assert reader.ask("document.querySelector('#time').value") == "7"


def test_distribution(reader: Reader, network: tuple[PageData, bytes, dict[str, Any]]) -> None:
    data, page, _ = network
    reader.open(page, "#layer=rnn.weight_ih_l0&frame=0")
    read = layer_of(data, "rnn.weight_ih_l0").targets["weights"].histograms
    assert read is not None
    low, high = read.edges.min(), read.edges.max()
    for frame in (0, len(data.frames) - 1):
        reader.at(frame)
        box = reader.box("#histogram canvas")
        reader.cdp("Input.dispatchMouseEvent", type="mouseMoved", x=box["x"] + 1, y=box["y"] + 50)
        reader.cdp("Input.dispatchMouseEvent", type="mouseMoved", x=box["x"] + box["width"] / 2 + 4, y=box["y"] + 50)
        value = low + (high - low) * (box["width"] / 2 + 4) / box["width"]
        count = read.counts[frame][np.searchsorted(read.edges[frame], value) - 1]
        said = re.match(r"([\d.]+) values", reader.text("#histogram .says"))
        assert said and abs(float(said[1]) - count) <= 1e-3 * count


def test_spectrum_counts_what_noise_does_not_reach(
    reader: Reader, network: tuple[PageData, bytes, dict[str, Any]]
) -> None:
    data, page, _ = network
    spectra = layer_of(data, "rnn.weight_ih_l0").targets["weights"].spectra
    assert spectra is not None
    reader.open(page, "#layer=rnn.weight_ih_l0")
    for frame in (0, len(data.frames) - 1):
        reader.at(frame)
        above = int((spectra.values[frame] > spectra.edges[frame]).sum())
        assert reader.text("#spectrum .says").startswith(f"{above} of {spectra.values.shape[1]} ")


def test_classes(reader: Reader, network: tuple[PageData, bytes, dict[str, Any]]) -> None:
    data, page, _ = network
    head = data.heads[0]
    assert head.cosine is not None and head.bias is not None
    reader.open(page, f"#layer={HEAD}")
    for frame in (0, len(data.frames) - 1):
        reader.at(frame)
        said = table(reader, "#classes")
        assert list(said) == list(head.class_names)
        for row, (name, cells) in enumerate(said.items()):
            assert number_of(cells[0])[0] == pytest.approx(float(head.norms[frame, row]), rel=5e-3), name
            assert number_of(cells[1])[0] == pytest.approx(float(head.bias[frame, row]), rel=5e-3)
            best = int(np.nanargmax(head.cosine[frame, row]))
            assert cells[2].rsplit(" ", 1)[0] == head.class_names[best]
        box = reader.box("#classes .class-views canvas")
        side = box["height"] - 2
        x, y = box["x"] + box["width"] - side * 0.25 - 1, box["y"] + side * 0.45
        reader.cdp("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        reader.settle()
        words = reader.text("#classes .class-views .says")
        assert words.startswith(f"{head.class_names[4]} and {head.class_names[7]}: ")
        value, error = number_of(words.split(": ")[1])
        assert abs(value - head.cosine[frame, 4, 7]) <= error
    assert reader.ask("document.querySelectorAll('#classes .templates canvas').length") == 10
    reader.choose("stem.conv.weight")
    assert reader.ask("document.querySelector('#classes').hidden")


def test_whole_model(reader: Reader, network: tuple[PageData, bytes, dict[str, Any]]) -> None:
    data, page, _ = network
    reader.open(page, "#layer=whole+model")
    assert reader.text("#which h2") == "Whole model" and reader.ask("document.querySelector('#maps').hidden")
    end = table(reader, "#curves")["rms"][-1]
    assert number_of(end)[0] == pytest.approx(float(data.totals["weights"]["rms"][-1]), rel=1e-3)


def other_run() -> tuple[PageData, dict[str, Any]]:
    data, values = samples.digits(30, seed=9)
    return dataclasses.replace(data, title="<b>other</b> run"), values


def check_both(reader: Reader, first: dict[str, Any], other: dict[str, Any], frame: int) -> None:
    reader.choose("fc2.weight")
    reader.at(frame)
    reading = reader.point(0.4, 0.5)
    row, column = (int(number) for number in re.findall(r"\d+", reading.where))
    both = [reading.values[0], number_of(reader.text("#value .beside b"))]
    mine, theirs = first["fc2.weight"][frame], other["fc2.weight"]
    assert abs(both[0][0] - mine[row, column]) <= both[0][1]
    steps = [when.step for when in samples.digits(40)[0].frames]
    steps_of_other = [when.step for when in samples.digits(30)[0].frames]
    at = max(place for place, step in enumerate(steps_of_other) if step <= steps[frame])
    assert abs(both[1][0] - theirs[at, row, column]) <= both[1][1]
    box = reader.ask("document.querySelector('#map-other').getBoundingClientRect().toJSON()")
    assert box["width"] > 100 and box["height"] > 50


def test_two_runs_of_one_page(reader: Reader) -> None:
    (first, values), (other, others) = samples.digits(40), other_run()
    reader.open(document(first, other))
    assert "<b>other</b> run" in reader.text("#runs")
    for frame in (0, 6, 10):
        check_both(reader, values, others, frame)


def test_second_page_is_dropped_or_chosen(reader: Reader, tmp_path: Path) -> None:
    (first, values), (other, others) = samples.digits(40), other_run()
    path = tmp_path / "other.html"
    path.write_bytes(document(other))
    reader.open(document(first))
    reader.driver.find_element("css selector", "#runs input").send_keys(str(path))
    reader.browser.wait_for("the other run", lambda: "<b>other</b> run" in reader.text("#runs"))
    check_both(reader, values, others, 10)
    reader.ask("document.querySelector('#runs button').click()")
    assert reader.ask("document.querySelector('#other-run').hidden")
    drop = """const [text, name] = arguments, data = new DataTransfer();
        data.items.add(new File([text], name, {type: 'text/html'}));
        for (const kind of ['dragenter', 'dragover', 'drop'])
          document.body.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));"""
    reader.driver.execute_script(drop, "<p>something else", "wrong.html")
    reader.browser.wait_for("a word", lambda: "wrong.html is not a lightning_weightviz page" in reader.text("#runs"))
    newer = path.read_text().replace('{"format":1,', '{"format":999,')
    reader.driver.execute_script(drop, newer, "newer.html")
    reader.browser.wait_for("a word", lambda: "newer.html is a page of another version" in reader.text("#runs"))
    evil = "<script>document.title='owned'</script><script id=data type=application/json>{\"layers\": 3}</script>"
    reader.driver.execute_script(drop, evil, "evil.html")
    reader.browser.wait_for("a word", lambda: "evil.html is a page of another version" in reader.text("#runs"))
    reader.driver.execute_script(drop, path.read_text(), "other.html")
    reader.browser.wait_for("the other run", lambda: "<b>other</b> run" in reader.text("#runs"))
    check_both(reader, values, others, 4)
    assert reader.ask("document.title") == first.title


def test_two_runs_of_different_layers(reader: Reader, network: tuple[PageData, bytes, dict[str, Any]]) -> None:
    reader.open(document(network[0], other_run()[0]))
    for name in ("stem.conv.weight", HEAD, "stage1.norm.weight"):
        reader.choose(name)
        assert "has no such layer" in reader.text("#map-other-words")
        assert reader.ask("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@pytest.mark.parametrize(
    "data",
    [
        PageData("nothing", (), (), ()),
        PageData("file", (When(0, 0, 0),), (When(0, 0, 0),), (), timeless=True),
        PageData("one", (When(0, 0, 0),), (When(0, 0, 0),), ODD, timeless=True, snapshots=1),
    ],
    ids=["nothing", "file", "odd"],
)
def test_empty_pages_open(reader: Reader, data: PageData) -> None:
    reader.open(document(data))
    assert reader.text("#title") == data.title
    assert "epoch" not in reader.text("main") and "undefined" not in reader.text("body main")
    assert "NaN%" not in reader.ask("document.documentElement.outerHTML")
    for layer in data.layers:
        reader.choose(layer.parameter.name)


def test_frames_kept_coarser_say_so(reader: Reader) -> None:
    rng = np.random.default_rng(0)
    fine = rng.normal(size=(2, 8, 8)).astype(np.float32)
    fine[0] = fine[0, ::4, ::4].repeat(4, 0).repeat(4, 1)
    kept = np.array([[2, 2], [8, 8]])
    one = dataclasses.replace(samples.matrix_map(fine), shape=(16, 16), kept=kept, rms=np.abs(fine))
    layer = Layer(Parameter("w", "linear", "Linear", (16, 16), "float32", "matrix"), {"weights": Series({}, (one,))})
    reader.open(document(PageData("p", samples.moments(2), samples.moments(2), (layer,), snapshots=2)))
    assert "2×2" in reader.point(0.6, 0.6).text
    reader.at(0)
    assert "8×8" in reader.reading().text and "coarser" in reader.reading().text


def test_page_in_a_frame_of_a_notebook(reader: Reader) -> None:
    """Sandboxed, without an address or an origin of its own."""
    page = html.escape(document(samples.digits(10)[0]).decode())
    path = reader.folder / "notebook.html"
    path.write_text(f'<!doctype html><iframe width=900 height=700 sandbox="allow-scripts" srcdoc="{page}"></iframe>')
    reader.browser.open(path.as_uri())
    reader.driver.switch_to.frame(0)
    try:
        reader.browser.wait_for("page", lambda: reader.ask("document.documentElement.dataset.ready"))
        reader.choose("fc2.weight")
        reader.at(2)
        assert reader.ask("document.querySelector('#time').value") == "2"
        assert "epoch 2" in reader.text("#now")
    finally:
        reader.driver.switch_to.default_content()


def test_damaged_page_says_so(reader: Reader) -> None:
    data = samples.digits(5)[0]
    page = re.sub(rb'(id="block-0">)[^<]*', rb"\1AAAA", document(data))
    (reader.folder / "page.html").write_bytes(page)
    reader.browser.open((reader.folder / "page.html").as_uri())
    reader.browser.wait_for("a word", lambda: "The page cannot be shown" in reader.text("#findings"))
