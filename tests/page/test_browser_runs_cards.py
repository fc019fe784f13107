"""Distributions, spectra, classes and statistics of two runs beside each other: in Chromium, from the disk."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from lightning_weightviz.page.data import Layer, Spectra
from lightning_weightviz.page.document import document
from tests.page.reading import Reader, number_of
from tests.support.readers import NEEDS_BROWSER, browser, reader, texts
from tests.support.runs import NAMES, ONLY_SECOND, Pair, page, pair

__all__ = ["browser", "page", "pair", "reader"]
pytestmark = NEEDS_BROWSER


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


def test_spectra_count_their_own(reader: Reader, pair: Pair) -> None:
    """As many values above the edge as there are frames before, in the second run."""
    count = len(pair.second.frames)
    grown = np.where(np.arange(12) < np.arange(count)[:, None], 2, 0.5).astype(np.float32)
    layers = tuple(
        Layer(layer.parameter, {"weights": dataclasses.replace(
            layer.targets["weights"], spectra=Spectra(np.arange(count), grown, np.ones(count, np.float32), True))})
        for layer in pair.second.layers
    )  # fmt: skip
    page = document(pair.first, dataclasses.replace(pair.second, layers=layers))
    [spectra] = [one for layer in pair.layers("fc2.weight")[:1] if layer and (one := layer.targets["weights"].spectra)]
    reader.open(page, "#layer=fc2.weight")
    for frame in range(len(pair.first.frames)):
        reader.at(frame)
        above = int((spectra.values[frame] > spectra.edges[frame]).sum())
        said = texts(reader, "#spectrum .says")
        assert said[0].startswith(f"{above} of {spectra.values.shape[1]} ")
        assert said[1].startswith(f"{pair.frame(frame)} of 12 ")
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
