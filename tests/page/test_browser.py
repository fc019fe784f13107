"""The page as a person sees it: in Chromium, from the disk."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lightning_weightviz.page.data import PageData
from lightning_weightviz.page.document import document
from tests.page import samples
from tests.page.reading import Reader
from tests.support.readers import NEEDS_BROWSER, browser, reader

__all__ = ["browser", "reader"]
pytestmark = NEEDS_BROWSER

PLACES = [(0.3, 0.2), (0.5, 0.5), (0.93, 0.83), (0.71, 0.13)]


@pytest.fixture(scope="module")
def network() -> tuple[bytes, dict[str, Any]]:
    data, values = samples.network()
    return document(data), values


def indices(where: str) -> list[int]:
    """The whole numbers in it: those in brackets instead of what stands before them."""
    return [int(number) for number in re.findall(r"\((\d+)\)", where) or re.findall(r"\d+", where)]


def agree(read: tuple[float, float], exact: float) -> None:
    value, error = read
    if not np.isfinite(exact):
        assert np.array_equal(value, exact, equal_nan=True)
        return
    assert abs(value - exact) <= error * (1 + 1e-6) + 1e-12, (value, error, exact)


@pytest.mark.parametrize("name", ["blocks.0.mlp.fc1.weight", "rnn.weight_ih_l0", "blocks.0.mlp.fc2.weight"])
def test_value_of_a_matrix(reader: Reader, network: tuple[bytes, dict[str, Any]], name: str) -> None:
    page, values = network
    weights = values[name]
    reader.open(page)
    reader.choose(name)
    seen = set()
    for place in PLACES:
        for frame in (0, len(weights) - 1):
            reader.at(frame)
            reading = reader.point(*place)
            words = reading.where.split(" · ")
            row, column = indices(words[-2])[-1], indices(words[-1])[-1]
            seen.add((row, column))
            agree(reading.values[0], float(weights[frame, row, column]))
            assert reading.values[0][1] <= 0.01 * np.nanmax(np.abs(np.where(np.isfinite(weights), weights, 0)))
    assert len(seen) == len(PLACES)


def test_value_of_what_is_broken(reader: Reader, network: tuple[bytes, dict[str, Any]]) -> None:
    name = "blocks.0.mlp.fc1.weight"
    reader.open(network[0])
    reader.choose(name)
    box, plot = reader.box("#map"), (34, 1, 17)
    high = box["height"] - plot[1] - plot[2]
    reading = reader.point(0.5, (plot[1] + high * 17.5 / 192) / box["height"])
    assert "output unit 17" in reading.where and "NaN" in reading.text
    assert "NaN: 20" in reader.text("#scale") and "±∞: 2" in reader.text("#scale")


def test_value_of_query_key_and_value(reader: Reader, network: tuple[bytes, dict[str, Any]]) -> None:
    page, values = network
    weights = values["blocks.0.attn.in_proj_weight"]
    reader.open(page)
    reader.choose("blocks.0.attn.in_proj_weight")
    found = set()
    for place in PLACES:
        reading = reader.point(*place)
        words = reading.where.split(" · ")
        block, head, row = words[0], int(indices(words[1])[0]), int(re.findall(r"\d+", words[2])[0])
        whole = {"q query": 0, "k key": 64, "v value": 128}[block] + head * 16 + row
        assert f"({whole})" in words[2]
        agree(reading.values[0], float(weights[-1, whole, indices(words[3])[0]]))
        found.add(block)
    assert found == {"q query", "k key", "v value"}


def test_value_of_pooled_gates(reader: Reader) -> None:
    """No cell is of two gates, and all the rows of a cell are named."""
    rng, times = np.random.default_rng(0), samples.moments(3)
    gates = ("i input", "f forget", "g cell", "o output")
    layer, values = samples.matrix_layer(rng, "w", (600, 70), times, kind="recurrent", blocks=gates)
    reader.open(document(PageData("p", times, times, (layer,), snapshots=3)))
    for place in PLACES:
        reading = reader.point(*place)
        gate, rows, column = reading.where.split(" · ")
        top, bottom = indices(rows)
        assert gate == gates[top // 150] == gates[bottom // 150] and bottom - top in (1, 2)
        block = values[-1, top : bottom + 1, indices(column)[0]]
        agree(reading.values[0], float(block[np.abs(block).argmax()]))


def test_value_of_tiles(reader: Reader, network: tuple[bytes, dict[str, Any]]) -> None:
    page, values = network
    reader.open(page)
    reader.choose("stem.conv.weight")
    for place in PLACES[:3]:
        for frame in (0, 10):
            reader.at(frame)
            reading = reader.tile(*place)
            filter_, row, column = indices(reading.where)
            assert len(reading.values) == 3
            for channel, read in enumerate(reading.values):
                agree(read, float(values["stem.conv.weight"][frame, filter_, channel, row, column]))


def test_value_of_units_that_are_pictures(reader: Reader) -> None:
    data, values = samples.digits()
    reader.open(document(data))
    reader.choose("fc1.weight")
    for place in PLACES:
        for frame in (0, len(data.frames) - 1):
            reader.at(frame)
            reading = reader.tile(*place)
            unit, row, column = indices(reading.where)
            agree(reading.values[0], float(values["fc1.weight"][frame, unit, 0, row, column]))


def test_value_of_a_convolution(reader: Reader, network: tuple[bytes, dict[str, Any]]) -> None:
    page, values = network
    reader.open(page)
    reader.choose("stage1.conv2.weight")
    for kind, label in enumerate(("kernel norms", "kernel sums")):
        reader.press(label)
        for place in PLACES:
            for frame in (0, 10):
                reader.at(frame)
                reading = reader.point(*place)
                row, column = indices(reading.where)
                assert reading.where == f"output channel {row} · input channel {column}"
                agree(reading.values[0], float(values["stage1.conv2.weight"][kind, frame, row, column]))


def test_value_of_a_pooled_matrix(reader: Reader, network: tuple[bytes, dict[str, Any]]) -> None:
    page, values = network
    cells = values["blocks.1.large.weight"]
    data = samples.network()[0]
    layer = next(layer for layer in data.layers if layer.parameter.name == "blocks.1.large.weight")
    spread = layer.targets["weights"].maps[0].rms
    assert spread is not None
    reader.open(page)
    reader.choose("blocks.1.large.weight")
    for place in PLACES:
        for frame, kept in ((0, 0), (10, 2)):
            reader.at(frame)
            reading = reader.point(*place)
            top, bottom, left, right = indices(reading.where)
            assert bottom - top == right - left == 15 and top % 16 == 0
            assert "16×16" in reading.text
            agree(reading.values[0], float(cells[kept, top // 16, left // 16]))
            said = re.search(r"rms (\S+) ± (\S+)", reading.text)
            assert said
            exact = float(spread[kept, top // 16, left // 16])
            assert abs(float(said[1]) - exact) <= float(said[2]) + 0.05 * exact


def test_change_since_the_start_and_since_another(reader: Reader, network: tuple[bytes, dict[str, Any]]) -> None:
    page, values = network
    weights = values["rnn.weight_ih_l0"].astype(np.float64)
    reader.open(page)
    reader.choose("rnn.weight_ih_l0")
    for choice, frame, before in (("start", 7, 0), ("previous", 7, 6), ("3", 7, 3), ("3", 1, 3)):
        reader.at(frame)
        reader.ask(
            f"(one => {{ one.value = '{choice}'; one.dispatchEvent(new Event('change')); }})"
            "(document.querySelector('#controls select'))"
        )
        reader.settle()
        reading = reader.point(0.5, 0.4)
        words = reading.where.split(" · ")
        row, column = indices(words[-2])[-1], indices(words[-1])[-1]
        assert "change of" in reading.text
        agree(reading.values[0], weights[frame, row, column] - weights[before, row, column])


def test_film_shows_each_frame_and_leads_to_it(reader: Reader, network: tuple[bytes, dict[str, Any]]) -> None:
    reader.open(network[0])
    reader.choose("blocks.0.mlp.fc2.weight")
    colours = """[...document.querySelectorAll('#film canvas')].map(one => new Set(new Uint32Array(
        one.getContext('2d').getImageData(0, 0, one.width, one.height).data.buffer)).size)"""
    counts = reader.ask(colours)
    assert len(counts) == 11 and min(counts) > 50
    reader.ask("document.querySelectorAll('#film canvas')[2].click()")
    assert reader.ask("document.querySelector('#time').value") == "2"
    assert reader.ask("[...document.querySelectorAll('#film canvas')].findIndex(x => x.matches('.now'))") == 2
    reader.choose("blocks.1.large.weight")
    assert len(reader.ask(colours)) == 3


def test_search_by_part_and_by_glob(reader: Reader, network: tuple[bytes, dict[str, Any]]) -> None:
    reader.open(network[0])

    def found(asked: str) -> list[str]:
        reader.ask(
            f"(one => {{ one.value = {asked!r}; one.dispatchEvent(new Event('input')); }})"
            "(document.querySelector('#search'))"
        )
        rows: list[str] = reader.ask("[...document.querySelectorAll('[data-parameter]')].map(x => x.dataset.parameter)")
        return rows

    names = [layer.parameter.name for layer in samples.network()[0].layers]
    assert found("") == names
    assert found("FC1") == ["blocks.0.mlp.fc1.weight"]
    assert found("stage1.*.weight") == [name for name in names if re.fullmatch(r"stage1\..*\.weight", name)]
    assert found("*.fc[12].*") == ["blocks.0.mlp.fc1.weight", "blocks.0.mlp.fc2.weight"]
    assert found("fc1*") == [] and "No layer" in reader.text("#layers")
    assert reader.text("#count") == "0 of 14"
    assert found("(") == [] and found("[z-a]") == []


def test_sort_by_each_column(reader: Reader, network: tuple[bytes, dict[str, Any]]) -> None:
    reader.open(network[0])
    data = samples.network()[0]
    last = {layer.parameter.name: layer.targets["weights"].statistics for layer in data.layers}
    keys: dict[str, Callable[[str], float]] = {
        "size": lambda name: next(one.parameter.size for one in data.layers if one.parameter.name == name),
        "rms": lambda name: last[name]["rms"][-1],
        "change": lambda name: last[name]["relative_change"][-1],
        "turned": lambda name: last[name]["rotation"][-1],
    }
    for column, key in keys.items():
        reader.ask(f"document.querySelector('.head [data-column={column}]').click()")
        rows = reader.ask("[...document.querySelectorAll('[data-parameter]')].map(x => x.dataset.parameter)")
        values = np.array([key(name) for name in rows], np.float64)
        assert len(rows) == 14 and (np.diff(values) <= 1e-3 * values[:-1]).all(), column
        assert reader.ask(f"document.querySelector('.head .{column}').getAttribute('aria-sort')") == "descending"
        reader.ask(f"document.querySelector('.head [data-column={column}]').click()")
        turned = reader.ask("[...document.querySelectorAll('[data-parameter]')].map(x => x.dataset.parameter)")
        values = np.array([key(name) for name in turned], np.float64)
        assert (np.diff(values) >= -1e-3 * values[1:]).all(), column


@pytest.mark.parametrize("column", ["size", "rms", "change", "turned", "name"])
def test_phones_sort_by_each_column_and_show_it(
    reader: Reader, network: tuple[bytes, dict[str, Any]], column: str
) -> None:
    reader.open(network[0], width=360, height=740)
    rows = "[...document.querySelectorAll('[data-parameter]')].map(x => x.dataset.parameter)"
    shown = "[...document.querySelectorAll('#layers .{}')].every(x => x.getBoundingClientRect().width > 20)"
    unsorted = reader.ask(rows)
    ways = {}
    for down in ("true", "false"):
        reader.ask(
            f"(one => {{ one.value = '{column} {down}'; one.dispatchEvent(new Event('change')); }})"
            "(document.querySelector('#sort'))"
        )
        reader.settle()
        ways[down] = reader.ask(rows)
        assert reader.ask(shown.format(column)) and reader.ask("document.querySelector('#sort').checkVisibility()")
        assert reader.ask("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    # The same as a click on the heading, where there is one.
    reader.size(1300, 1000)
    reader.ask("(one => { one.value = ''; one.dispatchEvent(new Event('change')); })(document.querySelector('#sort'))")
    assert reader.ask(rows) == unsorted and not reader.ask("document.querySelector('#sort').checkVisibility()")
    for down in ("false", "true") if column == "name" else ("true", "false"):
        reader.ask(f"document.querySelector('.head [data-column={column}]').click()")
        assert reader.ask(rows) == ways[down] != unsorted
        assert reader.ask("document.querySelector('#sort').value") == f"{column} {down}"


def test_keys_move_time_and_play(reader: Reader, network: tuple[bytes, dict[str, Any]]) -> None:
    reader.open(network[0])
    assert reader.ask("document.querySelector('#time').value") == "10"
    reader.key("ArrowLeft", 37)
    reader.key("ArrowLeft", 37)
    assert reader.ask("document.querySelector('#time').value") == "8"
    reader.key("ArrowRight", 39)
    assert reader.ask("document.querySelector('#time').value") == "9"
    reader.key(" ", 32)
    reader.browser.wait_for("end of playing", lambda: reader.ask("document.querySelector('#time').value") == "10")
    assert reader.ask("document.querySelector('#play').getAttribute('aria-label')") == "Play"


def test_keys_reach_every_row_and_cell(reader: Reader, network: tuple[bytes, dict[str, Any]]) -> None:
    reader.open(network[0])
    reader.ask("document.querySelector('#search').focus()")
    # Five headings stand between the search and the table's rows.
    for _ in range(6):
        reader.key("Tab", 9)
    focused = "document.activeElement.dataset.parameter"
    assert reader.ask(focused) == "blocks.0.mlp.fc1.weight"
    reader.key("ArrowDown", 40)
    assert reader.ask(focused) == "blocks.0.mlp.fc2.weight"
    reader.key("Enter", 13)
    reader.browser.wait_for("the layer", lambda: reader.text("#which h2") == "blocks.0.mlp.fc2.weight")
    reader.key("ArrowLeft", 37)
    assert reader.ask("document.activeElement.title") == "blocks.0.mlp"
    reader.key("ArrowLeft", 37)
    assert reader.ask("document.activeElement.getAttribute('aria-expanded')") == "false"
    assert not reader.ask("!!document.querySelector('[data-parameter=\"blocks.0.mlp.fc1.weight\"]')")
    reader.key("ArrowRight", 39)
    assert reader.ask("!!document.querySelector('[data-parameter=\"blocks.0.mlp.fc1.weight\"]')")
    reader.ask("document.querySelector('#map').focus()")
    for name, code in (("ArrowRight", 39), ("ArrowDown", 40), ("ArrowRight", 39)):
        reader.key(name, code)
    assert reader.reading().where == "output unit 1 · input unit 1"
    assert reader.ask("document.querySelector('#time').value") == "10"


def test_address_holds_layer_and_time(reader: Reader, network: tuple[bytes, dict[str, Any]]) -> None:
    reader.open(network[0])
    reader.choose("stage1.conv1.weight")
    reader.press("kernel sums")
    reader.at(3)
    fragment = reader.ask("location.hash")
    now = reader.text("#now")
    reader.open(network[0], fragment)
    assert reader.text("#which h2") == "stage1.conv1.weight" and reader.text("#now") == now
    assert reader.ask("document.querySelector('#controls [aria-pressed=true]').textContent") == "kernel sums"
    for wrong in ("#layer=gone&frame=999", "#frame=-5&layer=", "#%%%&frame=x", "#map=toString&target=constructor"):
        reader.open(network[0], wrong)
        assert reader.text("#which h2") == "blocks.0.mlp.fc1.weight"


def test_findings_lead_to_their_layer_and_time(reader: Reader, network: tuple[bytes, dict[str, Any]]) -> None:
    reader.open(network[0])
    assert reader.text("#findings h2").startswith("1 error, 1 warning now")
    reader.ask("[...document.querySelectorAll('#findings a')].find(a => /11 of 96/.test(a.textContent)).click()")
    reader.browser.wait_for("the layer", lambda: reader.text("#which h2") == "blocks.0.mlp.fc2.weight")
    assert reader.ask("document.querySelector('#time').value") == "4"


def test_nothing_found(reader: Reader) -> None:
    reader.open(document(samples.digits()[0]))
    assert reader.text("#findings") == "Nothing wrong was found in 40 snapshots"


@pytest.mark.parametrize("width", [360, 768, 1300])
def test_page_is_as_wide_as_the_window(reader: Reader, network: tuple[bytes, dict[str, Any]], width: int) -> None:
    for page in (network[0], document(samples.hostile())):
        reader.open(page, width=width, height=800)
        for name in reader.ask("[...document.querySelectorAll('[data-parameter]')].map(x => x.dataset.parameter)"):
            reader.choose(name)
            assert reader.ask("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name


def test_light_and_dark(reader: Reader, network: tuple[bytes, dict[str, Any]]) -> None:
    light = []
    for scheme in ("light", "dark"):
        reader.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        reader.open(network[0])
        color = reader.ask("getComputedStyle(document.body).backgroundColor")
        light.append(sum(map(int, re.findall(r"\d+", color)[:3])) > 400)
    reader.cdp("Emulation.setEmulatedMedia", features=[])
    assert light == [True, False]


def test_maps_classes_and_legend_have_the_colours_of_the_run(reader: Reader) -> None:
    data, values = samples.digits()
    colors = np.stack([np.arange(201), 2 * np.abs(np.arange(201) - 100), np.full(201, 7)], axis=1).astype(np.uint8)
    reader.open(document(replace(data, colors=colors)), "#layer=head.weight")
    layer = next(one for one in data.layers if one.parameter.name == "head.weight")

    def pixels(selector: str) -> Any:
        found = reader.ask(
            "(one => [...one.getContext('2d').getImageData(0, 0, one.width, one.height).data, one.width])"
            f"(document.querySelector('{selector}'))"
        )
        return np.array(found[:-1]).reshape(-1, found[-1], 4)[..., :3]

    assert np.array_equal(pixels("#scale .bar")[0], colors)
    # Nothing else on the map's canvas has their blue.
    cells = pixels("#map")
    cells = cells[cells[..., 2] == 7]
    assert np.array_equal(cells[:, 1], 2 * np.abs(cells[:, 0] - 100))
    shares = np.clip(values["head.weight"][-1] / layer.targets["weights"].maps[0].limit, -1, 1)
    expected = np.unique(np.rint(100 + 100 * shares))
    drawn = np.unique(cells[:, 0])
    assert len(drawn) > 50 and (np.abs(drawn[:, None] - expected).min(axis=1) <= 1).all()
    assert (np.abs(expected[:, None] - drawn).min(axis=1) <= 1).all()
    assert (pixels(".class-views canvas")[..., 2] == 7).mean() > 0.5


def test_hostile_names_are_text(reader: Reader) -> None:
    data = samples.hostile()
    reader.open(document(data))
    assert reader.ask("document.title") == data.title
    assert reader.ask("document.querySelectorAll('img, b b, [onerror]').length") == 0
    for name in samples.HOSTILE:
        reader.choose(name)
        assert name in reader.text("#findings")
        assert reader.text("#which h2") == name
    assert reader.ask("document.title") == data.title
    reader.choose(samples.HOSTILE[0])
    assert reader.point(0.5, 0.04).where.startswith(samples.HOSTILE[0])


def test_zoom_pans_and_comes_back(reader: Reader, network: tuple[bytes, dict[str, Any]]) -> None:
    page, values = network
    name = "blocks.0.mlp.fc2.weight"
    reader.open(page)
    reader.choose(name)
    before = reader.point(0.5, 0.5)
    box = reader.box("#map")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for _ in range(6):
        reader.cdp("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=-200)
    reader.settle()
    # What is under the pointer stays there, and its neighbour has come as far as it grew.
    assert reader.point(0.5, 0.5).where == before.where
    near = reader.point(0.53, 0.5)
    row, column = indices(near.where)
    assert abs(column - indices(before.where)[1]) <= 2
    agree(near.values[0], float(values[name][-1, row, column]))
    reader.cdp("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, button="left", clickCount=1)
    reader.cdp("Input.dispatchMouseEvent", type="mouseMoved", x=x - 150, y=y, button="left", buttons=1)
    reader.cdp("Input.dispatchMouseEvent", type="mouseReleased", x=x - 150, y=y, button="left", clickCount=1)
    assert indices(reader.point(0.5, 0.5).where)[1] > indices(before.where)[1]
    for count in (1, 2):
        for kind in ("mousePressed", "mouseReleased"):
            reader.cdp("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=count)
    assert reader.point(0.5, 0.5).where == before.where
    assert indices(reader.point(0.97, 0.5).where)[1] > 180


def test_finger_reads_and_pinches(reader: Reader, network: tuple[bytes, dict[str, Any]]) -> None:
    page, values = network
    reader.open(page, width=360, height=740)
    reader.cdp("Emulation.setTouchEmulationEnabled", enabled=True, maxTouchPoints=2)
    try:
        reader.choose("blocks.0.mlp.fc2.weight")
        box = reader.box("#map")
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

        def touch(kind: str, *places: float) -> None:
            points = [{"x": place, "y": y, "id": index} for index, place in enumerate(places)]
            reader.cdp("Input.dispatchTouchEvent", type=kind, touchPoints=points)

        touch("touchStart", x)
        touch("touchEnd")
        reader.settle()
        row, column = indices(reader.reading().where)
        agree(reader.reading().values[0], float(values["blocks.0.mlp.fc2.weight"][-1, row, column]))
        touch("touchStart", x - 20, x + 20)
        for apart in range(30, 110, 10):
            touch("touchMove", x - apart, x + apart)
        touch("touchEnd")
        touch("touchStart", x + 100)
        touch("touchEnd")
        reader.settle()
        assert 0 < indices(reader.reading().where)[1] - column < 40
    finally:
        reader.cdp("Emulation.setTouchEmulationEnabled", enabled=False)


def test_silence_is_heard(browser: Reader, network: tuple[bytes, dict[str, Any]]) -> None:
    """What the fixture looks at holds messages, and what is asked for, where there are any."""
    browser.open(network[0])
    browser.console()
    browser.requests()
    browser.ask("console.log('said')")
    browser.ask("document.body.append(Object.assign(new Image(), {src: 'https://example.invalid/x.png'}))")
    browser.settle()
    said = browser.console()
    assert any("said" in message for message in said)
    assert any("Content Security Policy" in message for message in said)
    browser.driver.get("data:text/html,<p>")
    assert any(url.startswith("data:text/html") for url in browser.requests())


def test_two_thousand_parameters_open_and_switch(reader: Reader) -> None:
    page = document(samples.deep())
    start = time.monotonic()
    reader.open(page)
    opened = time.monotonic() - start
    rows = "document.querySelectorAll('[data-parameter]').length"
    reader.ask("document.querySelector('.head [data-column=turned]').click()")
    some = reader.ask(rows)
    reader.ask("document.querySelector('.more-rows').click()")
    assert 0 < some < reader.ask(rows) < 2000
    reader.ask("document.querySelector('.head [data-column=turned]').click()")
    reader.ask("document.querySelector('.head [data-column=turned]').click()")
    names = [layer.parameter.name for layer in samples.deep().layers if layer.targets["weights"].maps]
    reader.ask("document.querySelector('.head [data-column=turned]').click()")
    switched = []
    for name in names[:9]:
        if reader.text("#which h2") == name:
            continue
        reader.settle()
        took = reader.driver.execute_async_script(
            """const [name, done] = arguments, start = performance.now();
            [...document.querySelectorAll('[data-parameter]')].find(one => one.dataset.parameter === name).click();
            const look = () => document.querySelector('#which h2').textContent === name
              ? requestAnimationFrame(() => done(performance.now() - start)) : setTimeout(look, 0);
            look();""",
            name,
        )
        switched.append(round(took))
    print(f"2,000 parameters, {len(page) / 1e6:.1f} MB: opened in {opened:.1f} s, switched in {switched} ms")
    # The better half, as others may use the machine meanwhile.
    assert opened < 20 and len(switched) == 8 and sorted(switched)[3] < 100


def test_what_lies_below_the_map_follows_it_also_where_layers_change_fast(
    reader: Reader, network: tuple[bytes, dict[str, Any]]
) -> None:
    reader.open(network[0])
    names = [layer.parameter.name for layer in samples.network()[0].layers]
    below = "document.querySelector('#cards').innerText"
    reader.choose(names[0])
    first = reader.ask(below)
    reader.ask(
        f"""{names!r}.forEach(name => [...document.querySelectorAll('#layers [data-parameter]')]
        .find(row => row.dataset.parameter === name).click())"""
    )
    # Nothing of it stands in the way of what was clicked.
    assert reader.ask("document.querySelector('#cards').getAttribute('aria-busy')") == "true"
    reader.settle()
    assert reader.text("#which h2") == names[-1]
    assert reader.ask("new URLSearchParams(location.hash.slice(1)).get('layer')") == names[-1]
    followed = reader.ask(below)
    reader.open(network[0], f"#layer={names[-1]}")
    assert followed == reader.ask(below) != first
