"""Maps, words and findings of two runs: in Chromium, from the disk."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from lightning_weightviz.page.data import Layer
from lightning_weightviz.page.document import document
from tests.page import samples
from tests.page.reading import Reader, number_of
from tests.support.readers import NEEDS_BROWSER, browser, reader, texts
from tests.support.runs import NAMES, ONLY_FIRST, ONLY_SECOND, Pair, page, pair

__all__ = ["browser", "page", "pair", "reader"]
pytestmark = NEEDS_BROWSER


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


@pytest.mark.parametrize("without", ["map-other", "map"])
def test_target_of_one_run_alone(reader: Reader, pair: Pair, without: str) -> None:
    """Gradients, which the pair's first run has."""
    runs = (pair.first, pair.second) if without == "map-other" else (pair.second, pair.first)
    reader.open(document(*runs), "#layer=fc2.weight")
    reader.press("gradients")
    assert "has no gradients of it" in reader.text(f"#{without}-words")
    assert [without] == reader.ask("[...document.querySelectorAll('#maps canvas[hidden]')].map(one => one.id)")
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


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (r'(id="block-0">)[^<]*', r"\1AAAA", "is a damaged page of lightning_weightviz"),
        (r'(id="block-0">)[^<]*', r"\1", "is a damaged page of lightning_weightviz"),
        (r'"layers":\[.*\],"heads"', '"layers":3,"heads"', "is not a lightning_weightviz page"),
    ],
    ids=["garbage", "empty", "other"],
)
def test_broken_second_page_is_refused(reader: Reader, pair: Pair, before: str, after: str, said: str) -> None:
    broken = reader.folder / "broken.html"
    broken.write_text(re.sub(before, after, document(pair.second).decode()))
    reader.open(document(pair.first))
    reader.driver.find_element("css selector", "#runs input").send_keys(str(broken))
    reader.browser.wait_for("a word", lambda: f"broken.html {said}" in reader.text("#runs"))
    assert reader.ask("document.querySelector('#numbers').hidden")
    assert reader.text("#findings h2").startswith("1 error now")


def test_hostile_second_run_is_text(reader: Reader, pair: Pair) -> None:
    reader.open(document(pair.first, samples.hostile()))
    title = reader.ask("document.title")
    for name in samples.HOSTILE:
        reader.choose(name)
        assert reader.text("#which h2") == name and name in reader.text("#findings .of-run:last-child")
        assert reader.ask("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name
    assert reader.ask("document.title") == title and "<script>" in reader.text("#legend")
    assert reader.ask("document.querySelectorAll('img, b b, [onerror]').length") == 0
