"""The table of layers with the numbers of two runs: in Chromium, from the disk."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest

from lightning_weightviz.page.data import Layer, PageData, Series
from lightning_weightviz.page.document import document
from tests.page.reading import Reader
from tests.support.readers import NEEDS_BROWSER, browser, reader
from tests.support.runs import ONLY_FIRST, ONLY_SECOND, Pair, page, pair

__all__ = ["browser", "page", "pair", "reader"]
pytestmark = NEEDS_BROWSER

COLUMNS = {"rms": "rms", "change": "relative_change", "turned": "rotation"}
ROWS = "[...document.querySelectorAll('#layers [data-parameter]')]"


def parsed(text: str) -> float:
    """A number as the table writes it: a sign, degrees, e−4, k for a thousand; NaN for a dash."""
    if text == "–":
        return np.nan
    found = re.fullmatch(r"([+−]?[\d.]+(?:e[−+]?\d+)?)([kMG]?)°?", text)
    assert found, text
    return float(found[1].replace("−", "-")) * {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}[found[2]]


def table(reader: Reader, column: str) -> dict[str, list[float]]:
    """What the rows say, line by line."""
    lines = f"[...row.querySelectorAll('.{column} .lines span')].map(line => line.textContent).filter(Boolean)"
    rows = reader.ask(f"{ROWS}.map(row => [row.dataset.parameter, {lines}])")
    return {name: [parsed(text) for text in texts] for name, texts in rows}


def press(reader: Reader, numbers: str) -> None:
    """Chooses whose numbers are shown."""
    reader.ask(f"document.querySelector('#numbers [data-choice=numbers-{numbers}]').click()")
    reader.settle()


def exact(pair: Pair, name: str, column: str, frame: int) -> list[float]:
    """A column of each run, of the arrays."""
    if column == "size":
        return [float(layer.parameter.size) if layer else np.nan for layer in pair.layers(name)]
    both = np.array(pair.numbers(name, COLUMNS[column], frame), np.float64)
    return list(np.degrees(np.arccos(1 - both)) if column == "turned" else both)


@pytest.mark.parametrize("column", ["size", *COLUMNS])
def test_numbers_of_both_runs_at_one_step(reader: Reader, pair: Pair, page: bytes, column: str) -> None:
    reader.open(page)
    for frame in (0, 6, 10):
        reader.at(frame)
        said = table(reader, column)
        assert list(said) == pair.names
        for name, numbers in said.items():
            expected = exact(pair, name, column, frame)
            np.testing.assert_allclose(numbers, expected, rtol=0.05, atol=1e-9, err_msg=f"{name} {frame}")
            assert np.isnan(numbers).any() <= (name in (ONLY_FIRST, ONLY_SECOND) or column == "change")


def test_one_run_of_both_and_their_difference(reader: Reader, pair: Pair, page: bytes) -> None:
    reader.open(page)
    reader.at(6)
    for column in ("size", *COLUMNS):
        both = {name: exact(pair, name, column, 6) for name in pair.names}
        for place, numbers in enumerate(("first", "second")):
            press(reader, numbers)
            for name, said in table(reader, column).items():
                np.testing.assert_allclose(said, [both[name][place]], rtol=0.05, err_msg=name)
        press(reader, "difference")
        for name, said in table(reader, column).items():
            first, second = both[name]
            tolerance = 0.06 if column == "turned" else 0.0
            np.testing.assert_allclose(said, [second - first], rtol=0.06, atol=tolerance, err_msg=f"{column} {name}")
    assert len({said[0] for said in table(reader, "rms").values() if said[0] == said[0]}) > 3


@pytest.mark.parametrize("column", ["size", *COLUMNS])
@pytest.mark.parametrize("numbers", ["both", "second", "difference"])
def test_sort_by_each_column_of_each_run(reader: Reader, pair: Pair, page: bytes, column: str, numbers: str) -> None:
    reader.open(page, "#frame=7&layer=fc1.weight")
    press(reader, numbers)

    def key(name: str) -> float:
        first, second = exact(pair, name, column, 7)
        if numbers == "difference":
            return abs(second - first)
        return second if numbers == "second" or np.isnan(first) else first

    for sign in (-1, 1):
        reader.ask(f"document.querySelector('.head [data-column={column}]').click()")
        way = reader.ask(f"document.querySelector('.head .{column}').getAttribute('aria-sort')")
        assert way == ("descending" if sign < 0 else "ascending")
        keys = np.array([key(name) for name in table(reader, column)])
        assert len(keys) == len(pair.names)
        known = keys[~np.isnan(keys)]
        # What one run alone has stands last, whichever way.
        assert np.isnan(keys[len(known) :]).all()
        assert (np.diff(known) * sign >= -1e-3 * known[1:]).all(), known
    assert {"both": 7, "second": 6, "difference": 5}[numbers] == len(known)


def test_cells_are_told_to_who_does_not_see_colours(reader: Reader, page: bytes) -> None:
    reader.open(page)
    cell = f"{ROWS}[0].querySelector('.turned')"
    for numbers, words in (("both", "first {}, second {}"), ("second", "second {}"), ("difference", "difference {}")):
        press(reader, numbers)
        lines = reader.ask(f"[...{cell}.querySelectorAll('.lines span')].map(line => line.textContent)")
        assert reader.ask(f"{cell}.getAttribute('aria-label')") == words.format(*lines)


def test_layers_of_one_run_are_marked(reader: Reader, page: bytes) -> None:
    reader.open(page)
    words = reader.ask(f"{ROWS}.map(row => [row.dataset.parameter, row.querySelector('.only')?.textContent ?? ''])")
    assert {name: word for name, word in words if word} == {ONLY_FIRST: "only first", ONLY_SECOND: "only second"}
    assert reader.text("#count") == "7 parameters"
    reader.ask("(one => { one.value = 'adapt'; one.dispatchEvent(new Event('input')); })"
               "(document.querySelector('#search'))")  # fmt: skip
    assert list(table(reader, "size")) == [ONLY_SECOND]


def test_groups_are_of_the_layers_that_a_run_has(reader: Reader, pair: Pair, page: bytes) -> None:
    reader.open(page)
    row = "[...document.querySelectorAll('#layers .group')].find(row => row.title === 'fc2')"
    lines = reader.ask(f"[...{row}.querySelectorAll('.rms .lines span')].map(line => line.textContent)")
    for place, text in enumerate(lines):
        names = [name for name in pair.names if name.startswith("fc2") and pair.layers(name)[place]]
        sizes = np.array([layer.parameter.size for name in names if (layer := pair.layers(name)[place])])
        rms = np.array([pair.numbers(name, "rms", len(pair.first.frames) - 1)[place] for name in names])
        assert parsed(text) == pytest.approx(np.sqrt((rms**2 * sizes).sum() / sizes.sum()), rel=0.02)


def test_address_holds_whose_numbers(reader: Reader, page: bytes) -> None:
    reader.open(page)
    press(reader, "difference")
    fragment = reader.ask("location.hash")
    chosen = "document.querySelector('#numbers [aria-pressed=true]').textContent"
    reader.open(page, fragment)
    assert reader.ask(chosen) == "difference"
    assert reader.ask("document.querySelector('#layers').dataset.numbers") == "difference"
    reader.open(page, "#numbers=toString")
    assert reader.ask(chosen) == "both"


def test_keys_choose_whose_numbers(reader: Reader, page: bytes) -> None:
    reader.open(page)
    reader.ask("document.querySelector('#search').focus()")
    for _ in range(3):
        reader.key("Tab", 9)
    assert reader.ask("document.activeElement.textContent") == "second"
    reader.key("Enter", 13)
    reader.driver.switch_to.active_element.send_keys(" ")
    reader.settle()
    assert reader.ask("document.querySelector('#layers').dataset.numbers") == "second"
    assert reader.ask("document.activeElement.dataset.choice") == "numbers-second"


def seen_in(reader: Reader, row: int) -> tuple[bool, bool]:
    """Whether a row's strip of what has turned has blue pixels, and orange ones."""
    blue, orange = reader.ask(
        f"""(row => {{ const canvas = row.querySelector('.turned canvas');
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
        copy.drawImage(canvas, 0, 0);
        const {{data}} = copy.getImageData(0, 0, canvas.width, canvas.height);
        let [blue, orange] = [0, 0];
        for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 60) {{
          if (data[i + 2] > data[i] + 60) blue++; else if (data[i] > data[i + 2] + 60) orange++; }}
        return [blue, orange]; }})({ROWS}[{row}])"""
    )
    return blue > 5, orange > 5


def test_strips_have_a_line_of_each_run(reader: Reader, page: bytes) -> None:
    reader.open(page)
    reader.ask("document.querySelector('#layers').scrollIntoView()")
    seen = {}
    for numbers in ("both", "first", "second", "difference"):
        press(reader, numbers)
        seen[numbers] = seen_in(reader, 0)
    assert seen == {"both": (True, True), "first": (True, False), "second": (False, True), "difference": (True, True)}


def test_strip_of_a_single_snapshot_is_seen(reader: Reader, pair: Pair) -> None:
    layers = tuple(
        Layer(layer.parameter, {"weights": Series({"rotation": np.full(1, 0.1, np.float32)})})
        for layer in pair.second.layers
    )
    single = PageData("a file", pair.first.moments[9:10], pair.first.moments[9:10], layers, snapshots=1)
    reader.open(document(pair.first, single))
    reader.ask("document.querySelector('#layers').scrollIntoView()")
    reader.settle()
    assert seen_in(reader, 0) == (True, True)


def test_removed_run_leaves_one(reader: Reader, pair: Pair, page: bytes, tmp_path: Path) -> None:
    reader.open(page, f"#layer={ONLY_SECOND}&numbers=second")
    reader.ask("document.querySelector('#runs button').click()")
    reader.browser.wait_for("one run", lambda: reader.ask("document.querySelector('#numbers').hidden"))
    reader.browser.wait_for("a layer of it", lambda: reader.text("#which h2") == "fc1.weight")
    reader.settle()
    assert reader.ask(f"{ROWS}.length") == len(pair.first.layers)
    seen = "[...document.querySelectorAll('.only, .lines, .run-name')].filter(one => one.checkVisibility()).length"
    assert reader.ask(seen) == 0
    path = tmp_path / "second.html"
    path.write_bytes(document(dataclasses.replace(pair.second, title="a dropped run")))
    reader.driver.find_element("css selector", "#runs input").send_keys(str(path))
    reader.browser.wait_for("the other", lambda: reader.ask(f"{ROWS}.length") == len(pair.names))
    assert "a dropped run" in reader.text("#legend") and "a dropped run" in reader.text("#findings")


def test_one_run_without_anything(reader: Reader, pair: Pair) -> None:
    nothing = PageData("nothing", (), (), ())
    for first, second, layers in ((pair.first, nothing, 6), (nothing, pair.second, 6), (nothing, nothing, 0)):
        reader.open(document(first, second))
        assert reader.ask(f"{ROWS}.length") == layers
        assert "undefined" not in reader.text("main") and "NaN" not in reader.text("#layers")
        for numbers in ("difference", "second", "first"):
            press(reader, numbers)
            for name in reader.ask(f"{ROWS}.map(row => row.dataset.parameter)"):
                reader.choose(name)
