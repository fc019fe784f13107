"""Maps, distributions, spectra, classes and findings of two runs beside each other: in Chromium, from the disk."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from lightning_weightviz.page.data import Layer
from lightning_weightviz.page.document import document
from tests.page.reading import Reader, number_of
from tests.support.readers import NEEDS_BROWSER, browser, reader
from tests.support.runs import ONLY_FIRST, ONLY_SECOND, Pair, two_runs

__all__ = ["browser", "reader"]
pytestmark = NEEDS_BROWSER

NAMES = ["digits, steady", "<b>digits</b>, cosine"]


@pytest.fixture(scope="module")
def pair() -> Pair:
    return two_runs()


@pytest.fixture(scope="module")
def page(pair: Pair) -> bytes:
    return document(pair.first, pair.second)


def texts(reader: Reader, selector: str) -> list[str]:
    found: list[str] = reader.ask(f"[...document.querySelectorAll({selector!r})].map(one => one.textContent)")
    return found


def rows(reader: Reader, selector: str) -> dict[str, list[str]]:
    cells = "row => [...row.cells].map(cell => cell.textContent)"
    found = reader.ask(f"[...document.querySelectorAll({selector!r})].map({cells})")
    return {row[0]: row[1:] for row in found}


@pytest.mark.parametrize(("card", "name"), [("histogram", "fc2.weight"), ("spectrum", "fc2.weight"),
                                            ("classes", "head.weight")])  # fmt: skip
@pytest.mark.parametrize("width", [1300, 360])
def test_panels_stand_beside_each_other(reader: Reader, page: bytes, card: str, name: str, width: int) -> None:
    reader.open(page, f"#layer={name}", width=width)
    assert texts(reader, f"#{card} h4 > .run-name") == NAMES
    boxes = reader.ask(f"[...document.querySelectorAll('#{card} .of-run')].map(one => one.getBoundingClientRect())")
    assert len(boxes) == 2 and min(box["width"] for box in boxes) > 250
    if width > 620:
        assert boxes[0]["top"] == boxes[1]["top"] and boxes[1]["left"] >= boxes[0]["right"]
        assert boxes[0]["height"] == boxes[1]["height"]
    else:
        assert boxes[0]["left"] == boxes[1]["left"] and boxes[1]["top"] >= boxes[0]["bottom"]


def test_distributions_have_one_scale(reader: Reader, pair: Pair, page: bytes) -> None:
    reader.open(page, "#layer=fc2.weight")
    read = [layer.targets["weights"].histograms for layer in pair.layers("fc2.weight") if layer]
    low, high = min(one.edges.min() for one in read if one), max(one.edges.max() for one in read if one)
    for frame in (0, 5, 10):
        reader.at(frame)
        for place, one in enumerate(read):
            assert one is not None
            reader.ask(f"document.querySelectorAll('#histogram canvas[role=img]')[{place}].id = 'of-{place}'")
            box = reader.box(f"#of-{place}")
            share = 0.51
            reader.cdp("Input.dispatchMouseEvent", type="mouseMoved", x=box["x"] + 1, y=box["y"] + 50)
            x = round(box["x"] + share * box["width"])
            reader.cdp("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=box["y"] + 50)
            reader.settle()
            value = low + (high - low) * (x - box["x"]) / box["width"]
            at = pair.frame(frame) if place else frame
            bin_ = np.searchsorted(one.edges[at], value) - 1
            near = one.counts[at][max(bin_ - 1, 0) : bin_ + 2]
            said = re.match(r"([\d.]+) values", texts(reader, "#histogram .says")[place])
            assert said and np.abs(near - float(said[1])).min() <= 1e-3 * near.max()


def test_distribution_leads_to_its_step(reader: Reader, pair: Pair, page: bytes) -> None:
    reader.open(page, "#layer=fc2.weight")
    reader.ask("document.querySelectorAll('#histogram .pick')[1].id = 'strip'")
    box = reader.box("#strip")
    for kind in ("mousePressed", "mouseReleased"):
        reader.cdp("Input.dispatchMouseEvent", type=kind, x=box["x"] + 40, y=box["y"] + 4 * 11 + 5, button="left",
                   clickCount=1)  # fmt: skip
    reader.settle()
    step = pair.second.frames[4].step
    assert int(reader.ask("document.querySelector('#time').value")) == next(
        place for place, when in enumerate(pair.first.frames) if when.step >= step
    )


def test_spectra_count_their_own(reader: Reader, pair: Pair, page: bytes) -> None:
    reader.open(page, "#layer=fc2.weight")
    for frame in (0, 6, 10):
        reader.at(frame)
        for place, layer in enumerate(pair.layers("fc2.weight")):
            assert layer
            spectra = layer.targets["weights"].spectra
            assert spectra is not None
            at = pair.frame(frame) if place else frame
            above = int((spectra.values[at] > spectra.edges[at]).sum())
            assert texts(reader, "#spectrum .says")[place].startswith(f"{above} of {spectra.values.shape[1]} ")
    labels = reader.ask("[...document.querySelectorAll('#spectrum canvas')].map(one => one.getAttribute('aria-label'))")
    assert [label.split(": ")[0] for label in labels] == NAMES


def test_classes_of_both(reader: Reader, pair: Pair, page: bytes) -> None:
    reader.open(page, "#layer=head.weight")
    for frame in (0, 6, 10):
        reader.at(frame)
        for place, data in enumerate((pair.first, pair.second)):
            head = data.heads[0]
            assert head.cosine is not None
            at = pair.frame(frame) if place else frame
            said = rows(reader, f"#classes .of-run:nth-child({place + 1}) tbody tr")
            assert list(said) == list(head.class_names)
            for row, cells in enumerate(said.values()):
                assert number_of(cells[0])[0] == pytest.approx(float(head.norms[at, row]), rel=5e-3)
                best = int(np.nanargmax(head.cosine[at, row]))
                assert cells[-1].rsplit(" ", 1)[0] == head.class_names[best]
    limit = max(data.heads[0].limit for data in (pair.first, pair.second))
    titles = [title for title in texts(reader, "#classes h4") if "looks for" in title]
    limits = [number_of(title.split("±")[1].rstrip(")"))[0] for title in titles]
    assert limits == pytest.approx([limit, limit], rel=5e-3)
    # A class has one colour, so both have one order.
    keys = [texts(reader, f"#classes .of-run:nth-child({place}) .keys span") for place in (1, 2)]
    assert keys[0] == keys[1] and len(keys[0]) == 10


def test_statistics_of_both_as_a_table(reader: Reader, pair: Pair, page: bytes) -> None:
    reader.open(page, "#layer=fc2.weight&frame=6")
    said = rows(reader, "#curves tbody tr")
    layers = pair.layers("fc2.weight")
    for word, name in (("rms", "rms"), ("stable rank", "stable_rank")):
        now = pair.numbers("fc2.weight", name, 6)
        curves = [layer.targets["weights"].statistics[name] for layer in layers if layer]
        expected = [value for one, at in zip(curves, now, strict=True) for value in (one[0], at, one[-1])]
        assert [number_of(text)[0] for text in said[word]] == pytest.approx(list(map(float, expected)), rel=1e-3)
    assert texts(reader, "#curves thead .run-name") == NAMES
    reader.open(page, f"#layer={ONLY_SECOND}")
    assert [text != "–" for text in rows(reader, "#curves tbody tr")["rms"]] == [False] * 3 + [True] * 3


def test_findings_are_named_by_run(reader: Reader, pair: Pair, page: bytes) -> None:
    reader.open(page)
    blocks = texts(reader, "#findings .of-run")
    assert blocks[0].startswith(f"{NAMES[0]}: 1 error now") and "3 values are NaN" in blocks[0]
    assert blocks[1].startswith(f"{NAMES[1]}: Nothing is wrong now") and "stands still" in blocks[1]
    reader.ask("document.querySelector('#findings .of-run:last-child a').click()")
    reader.browser.wait_for("the layer", lambda: reader.text("#which h2") == ONLY_SECOND)
    step = pair.second.findings[0].step
    assert pair.step(int(reader.ask("document.querySelector('#time').value"))) >= step
    assert texts(reader, "#which .found .run-name") == [NAMES[1]]
    dots = "[...document.querySelectorAll('[data-parameter] .dot')].map(dot => [dot.closest('[data-parameter]')"
    said = dict(reader.ask(f"{dots}.dataset.parameter, dot.getAttribute('aria-label')])"))
    assert said == {"fc1.weight": "first run: error", ONLY_SECOND: "second run: warning"}
    assert reader.ask("document.querySelectorAll('#marks .flag.second').length") == 1


def test_layer_of_the_second_alone(reader: Reader, pair: Pair, page: bytes) -> None:
    weights = pair.weights[1][ONLY_SECOND]
    reader.open(page, f"#layer={ONLY_SECOND}")
    assert "has no such layer" in reader.text("#map-words") and reader.ask("document.querySelector('#map').hidden")
    for frame in (0, 10):
        reader.at(frame)
        reading = reader.point(0.4, 0.5, "#map-other")
        row, column = (int(number) for number in re.findall(r"\d+", reading.where))
        value, error = reading.values[0]
        assert abs(value - weights[pair.frame(frame), row, column]) <= error
    reader.ask("document.querySelector('#map-other').focus()")
    reader.key("ArrowRight", 39)
    assert reader.reading().where.endswith(f"input unit {column + 1}")
    assert texts(reader, ".card .missing") == ["has no such layer"] * 2
    reader.open(page, f"#layer={ONLY_FIRST}")
    assert "has no such layer" in reader.text("#map-other-words")
    assert texts(reader, ".card .missing") == ["has no such layer"]


def test_target_of_the_first_alone(reader: Reader, page: bytes) -> None:
    reader.open(page, "#layer=fc2.weight")
    reader.press("gradients")
    assert "has no gradients of it" in reader.text("#map-other-words")
    assert reader.ask("document.querySelector('#map-other').hidden")
    assert texts(reader, "#histogram .missing") == ["has no gradients of it"]


def test_change_since_a_step_is_of_each_run(reader: Reader, pair: Pair, page: bytes) -> None:
    reader.open(page, "#layer=fc2.weight&frame=8&from=5")
    reading = reader.point(0.4, 0.5)
    row, column = (int(number) for number in re.findall(r"\d+", reading.where))
    read = [reading.values[0], number_of(reader.text("#value .beside b"))]
    for place, (value, error) in enumerate(read):
        weights = pair.weights[place]["fc2.weight"].astype(np.float64)[:, row, column]
        now, then = (pair.frame(8), pair.frame(5)) if place else (8, 5)
        assert now != then and abs(value - (weights[now] - weights[then])) <= error * (1 + 1e-6)


def test_runs_of_one_title_are_told_apart(reader: Reader, pair: Pair) -> None:
    same = dataclasses.replace(pair.second, title=pair.first.title)
    reader.open(document(pair.first, same), "#layer=fc2.weight")
    assert texts(reader, "#histogram .run-name") == [f"{NAMES[0]} (first)", f"{NAMES[0]} (second)"]


def test_layer_of_another_shape_has_a_scale_of_its_own(reader: Reader, pair: Pair) -> None:
    """Of values where the first has pictures."""
    layers = tuple(
        Layer(layer.parameter, {"weights": dataclasses.replace(one, maps=one.maps[1:])})
        if (one := layer.targets["weights"]) and layer.parameter.name == "fc1.weight" else layer
        for layer in pair.second.layers
    )  # fmt: skip
    reader.open(document(pair.first, dataclasses.replace(pair.second, layers=layers)), "#layer=fc1.weight")
    assert "each cell: the value farthest from 0" in reader.text("#map-other-words")
    for selector, words in (("#map", r"unit \d+ · row"), ("#map-other", r"unit \d+ · .* \d+")):
        reading = reader.tile(0.4, 0.5) if selector == "#map" else reader.point(0.4, 0.5, selector)
        assert len(reading.values) == 1 and re.search(words, reading.where)
        assert not reader.ask("!!document.querySelector('#value .beside')")
    assert reader.text("#value .run-name") == "second: "


@pytest.mark.parametrize("width", [360, 768, 1300])
def test_two_runs_are_as_wide_as_the_window(reader: Reader, pair: Pair, page: bytes, width: int) -> None:
    reader.open(page, width=width, height=800)
    for numbers in ("both", "difference", "second"):
        reader.ask(f"document.querySelector('#numbers [data-choice=numbers-{numbers}]').click()")
        for name in pair.names:
            reader.choose(name)
            assert reader.ask("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_of_the_runs_are_readable(reader: Reader, page: bytes, scheme: str) -> None:
    """At least 4.5 to 1, as WCAG 2 asks of text (relative luminance as there)."""
    reader.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    reader.open(page, "#layer=fc2.weight")

    def luminance(colour: str) -> float:
        channels = np.array([int(part) for part in re.findall(r"\d+", colour)[:3]]) / 255
        linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    paper = luminance(reader.ask("getComputedStyle(document.body).backgroundColor"))
    for word in ("first", "second"):
        ink = luminance(reader.ask(f"getComputedStyle(document.querySelector('#histogram .{word}')).color"))
        assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5
    reader.cdp("Emulation.setEmulatedMedia", features=[])
