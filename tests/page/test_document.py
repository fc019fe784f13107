"""The page's file: what it is made of, how large it is, and that what comes from outside stays data."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html.parser
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lightning_weightviz.findings import Finding
from lightning_weightviz.page.data import Classes, Histograms, Layer, Map, PageData, Series, Spectra, When
from lightning_weightviz.page.document import document
from lightning_weightviz.snapshot import Parameter
from tests.page import samples

Array = npt.NDArray[Any]


class Elements(html.parser.HTMLParser):
    """The page as a browser takes it apart: tags with their attributes, and the text of what has an id."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.open = False
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open = True
        self.texts.append("")

    def handle_data(self, data: str) -> None:
        if self.texts and self.open:
            self.texts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self.open = False

    def text(self, element: str) -> str:
        return next(text for (_, facts), text in zip(self.tags, self.texts, strict=True) if facts.get("id") == element)

    def all(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(facts, text) for (name, facts), text in zip(self.tags, self.texts, strict=True) if name == tag]


def facts_of(page: bytes, prefix: str = "") -> Any:
    return json.loads(Elements(page).text(f"{prefix}data"))


def block_of(page: bytes, place: int, prefix: str = "") -> bytes:
    return zlib.decompress(base64.b64decode(Elements(page).text(f"{prefix}block-{place}")))


def bytes_of(note: dict[str, Any], block: bytes, size: int) -> Array:
    """The values of one array, (size of a value, values)."""
    count = int(np.prod(note["shape"]))
    return np.frombuffer(block, np.uint8, size * count, note["at"]).reshape(size, count)


def cells_of(note: dict[str, Any], block: bytes) -> Array:
    """Cells as the format says that they are read, in float64."""
    shape = note["shape"]
    if note["kind"] == "steps":
        codes = np.cumsum(bytes_of(note, block, 1).reshape(shape), axis=0, dtype=np.uint64) % 256
        values = (codes.astype(np.float64) - 125) * note["step"]
        for code, value in ((251, np.nan), (252, np.inf), (253, -np.inf)):
            values[codes == code] = value
        return np.asarray(values)
    low, high = bytes_of(note, block, 2).astype(np.uint16)
    words = np.bitwise_xor.accumulate((low | high << 8).reshape(shape), axis=0)
    return np.asarray(words.view(np.float16).astype(np.float64) * 2.0 ** -note["power"])


def numbers_of(note: dict[str, Any], block: bytes) -> Array:
    planes = bytes_of(note, block, 4).astype(np.uint32)
    words = planes[0] | planes[1] << 8 | planes[2] << 16 | planes[3] << 24
    return np.bitwise_xor.accumulate(words.reshape(note["shape"]), axis=-1).view(np.float32)


@pytest.fixture(scope="module")
def network() -> tuple[PageData, bytes]:
    data = samples.network()[0]
    return data, document(data)


def test_cells_are_within_their_error(network: tuple[PageData, bytes]) -> None:
    data, page = network
    kinds = set()
    for layer, facts in zip(data.layers, facts_of(page)["layers"], strict=True):
        block = block_of(page, facts["block"])
        for target, series in layer.targets.items():
            for one, said in zip(series.maps, facts["targets"][target]["maps"], strict=True):
                note = said["cells"]
                kinds.add(note["kind"])
                read = cells_of(note, block)
                finite = np.isfinite(one.cells)
                error = note["step"] / 2 if note["kind"] == "steps" else np.abs(one.cells[finite]) * 2**-11 + 1e-12
                assert (np.abs(read[finite] - one.cells[finite]) <= error * (1 + 1e-6)).all()
                assert np.array_equal(read[~finite], one.cells[~finite], equal_nan=True)
                if note["kind"] == "steps":
                    assert 2 * error < 0.01 * np.abs(one.cells[finite]).max() + 1e-30
    assert kinds == {"steps", "halves"}


def test_curves_have_four_digits(network: tuple[PageData, bytes]) -> None:
    data, page = network
    for layer, facts in zip(data.layers, facts_of(page)["layers"], strict=True):
        said = facts["targets"]["weights"]["curves"]
        read = numbers_of(said["values"], block_of(page, facts["block"]))
        assert said["names"] == list(layer.targets["weights"].statistics)
        for row, exact in zip(read, layer.targets["weights"].statistics.values(), strict=True):
            np.testing.assert_allclose(row, exact, rtol=2**-13, atol=0)


def test_rms_is_within_its_error(network: tuple[PageData, bytes]) -> None:
    data, page = network
    place = next(i for i, layer in enumerate(data.layers) if layer.parameter.shape == (4096, 4096))
    one = data.layers[place].targets["weights"].maps[0]
    facts = facts_of(page)["layers"][place]
    said = facts["targets"]["weights"]["maps"][0]
    block = block_of(page, facts["block"])
    packed = np.frombuffer(block, np.uint8, one.cells.size // 2, said["rms"]["at"])
    codes = np.stack([packed >> 4, packed & 15], axis=1).reshape(one.cells.shape)
    codes = (np.cumsum(codes, axis=0) % 16).astype(np.int64)
    cells = np.abs(cells_of(said["cells"], block))
    read = cells * 2.0 ** (-codes * said["rms"]["octaves"] / 14)
    assert one.rms is not None and codes.max() < 15
    factor = 2 ** (said["rms"]["octaves"] / 28) - 1
    assert factor < 0.12
    assert (np.abs(read - one.rms) <= read * factor * 1.0001 + said["cells"]["step"] / 2).all()


def test_unknown_rms_has_a_code_of_its_own() -> None:
    rng = np.random.default_rng(0)
    cells = rng.normal(size=(2, 100, 4)).astype(np.float32)
    rms = (np.abs(cells) / 2).astype(np.float32)
    rms[0, 3] = np.nan
    one = Map("values", np.arange(2), cells, (400, 4), 2.0, rms)
    page = document(_page(Layer(_parameter("a", (400, 4)), {"weights": Series({}, (one,))})))
    said = facts_of(page)["layers"][0]["targets"]["weights"]["maps"][0]
    packed = np.frombuffer(block_of(page, 1), np.uint8, 400, said["rms"]["at"])
    codes = np.cumsum(np.stack([packed >> 4, packed & 15], 1).reshape(2, 100, 4), axis=0) % 16
    assert (codes[0, 3] == 15).all() and (np.delete(codes[0], 3, axis=0) < 15).all() and (codes[1] < 15).all()


def _parameter(name: str, shape: tuple[int, ...]) -> Parameter:
    return Parameter(name, "linear", "Linear", shape, "float32", "matrix" if len(shape) > 1 else "vector")


def _page(*layers: Layer, **facts: Any) -> PageData:
    times = samples.moments(2)
    return PageData("page", times, times, layers, snapshots=2, **facts)


def _layer(shape: tuple[int, ...], one: Map) -> Layer:
    return Layer(_parameter("w", shape), {"weights": Series({}, (one,))})


@pytest.mark.parametrize(
    ("data", "most"),
    [
        pytest.param(samples.resnet50, 10e6, id="resnet50"),
        pytest.param(lambda: samples.digits(40)[0], 3e6, id="digits"),
        pytest.param(lambda: samples.digits(200)[0], 3e6, id="digits-long"),
    ],
)
def test_size(data: Any, most: float) -> None:
    size = len(document(data()))
    print(f"{size / 1e6:.2f} MB")
    assert size <= most


def test_maps_of_noise_are_written_in_fewer_steps() -> None:
    """No order in time or place, the hardest there is: coarser, and the page says so."""
    rng = np.random.default_rng(0)
    times = samples.moments(12)
    layers = []
    for index in range(12):
        cells = rng.normal(size=(12, 256, 256)).astype(np.float32)
        one = Map("values", np.arange(12), cells, (256, 256), 3.0)
        layers.append(Layer(_parameter(f"w{index}", (256, 256)), {"weights": Series({}, (one,))}))
    page = document(PageData("noise", times, times, tuple(layers), snapshots=12))
    assert len(page) <= 10e6
    note = facts_of(page)["layers"][3]["targets"]["weights"]["maps"][0]["cells"]
    exact = layers[3].targets["weights"].maps[0].cells
    assert np.abs(cells_of(note, block_of(page, 4)) - exact).max() <= note["step"] / 2 * 1.00001
    assert note["step"] == pytest.approx(float(np.abs(exact).max()) / 31)


def test_policy_allows_this_script_and_style_and_nothing_else(network: tuple[PageData, bytes]) -> None:
    elements = Elements(network[1])
    policy = next(facts["content"] for facts, _ in elements.all("meta") if "http-equiv" in facts)
    assert policy is not None
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert rules["img-src"] == "data: blob:"

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    scripts = [text for facts, text in elements.all("script") if "type" not in facts]
    assert [digest(text) for text in scripts] == [rules["script-src"]]
    assert [digest(text) for _, text in elements.all("style")] == [rules["style-src"]]


def test_no_markup_from_outside_and_no_address(network: tuple[PageData, bytes]) -> None:
    plain = [tag for tag, _ in Elements(network[1]).tags if tag != "script"]
    hostile = Elements(document(samples.hostile()))
    assert [tag for tag, _ in hostile.tags if tag != "script"] == plain
    for tag, facts in hostile.tags:
        assert not {"src", "href", "style", "srcset", "action"} & facts.keys(), (tag, facts)
        assert not any(name.startswith("on") for name in facts), (tag, facts)
    data = samples.hostile()
    read = json.loads(hostile.text("data"))
    assert [layer["name"] for layer in read["layers"]] == list(samples.HOSTILE)
    assert [finding["message"] for finding in read["findings"]] == [finding.headline for finding in data.findings]
    assert hostile.text("data").isascii() or not set("<>&\u2028\u2029") & set(hostile.text("data"))


def test_names_that_no_file_can_hold() -> None:
    layer = Layer(_parameter("half \ud800 pair\0", (2, 2)), {"weights": Series({})})
    page = document(_page(layer))
    assert facts_of(page)["layers"][0]["name"] == "half ? pair\0"


@pytest.mark.parametrize(
    "data",
    [
        PageData("nothing", (), (), ()),
        PageData("", (When(0, 0, 0),), (), (), timeless=True),
        _page(_layer((0, 3), samples.matrix_map(np.zeros((2, 0, 3), np.float32)))),
        _page(Layer(_parameter("w", ()), {})),
        _page(Layer(_parameter("w", (1,)), {"weights": Series({"rms": np.full(2, np.nan, np.float32)})})),
        _page(
            _layer((3, 70), samples.matrix_map(np.full((2, 3, 70), np.nan, np.float32))),
            heads=(Classes("w", ("a", "b", "c"), np.arange(0), np.zeros((0, 3), np.float32)),),
        ),
        _page(
            Layer(
                _parameter("w", (3, 4)),
                {
                    "weights": Series(
                        {},
                        histograms=Histograms(np.arange(0), np.zeros((0, 5)), np.zeros((0, 4), np.int64)),
                        spectra=Spectra(np.arange(0), np.zeros((0, 2), np.float32), np.zeros(0, np.float32), True),
                    )
                },
            ),
            findings=(Finding("r", "note", "", None, 0, -1, "m", timeless=True),),
        ),
    ],
)
def test_empty_things_are_written(data: PageData) -> None:
    page = document(data)
    assert facts_of(page)["title"] == data.title
    assert len(page) < 300_000


def test_extreme_values_are_written() -> None:
    cells = np.zeros((2, 80, 3), np.float32)
    cells[0, 0] = 3e38, -3e38, 1e-45
    cells[1, 1] = np.nan, np.inf, -np.inf
    rows = cells[:, :10].copy()
    maps = (Map("values", np.arange(2), cells, (80, 3), 3e38), Map("sums", np.arange(2), rows, (10, 3), 1e-3))
    page = document(_page(Layer(_parameter("w", (80, 3)), {"weights": Series({"rms": cells[:, 0, 0]}, maps)})))
    block = block_of(page, 1)
    for one, said in zip(maps, facts_of(page)["layers"][0]["targets"]["weights"]["maps"], strict=True):
        read = cells_of(said["cells"], block)
        assert np.array_equal(np.isfinite(read), np.isfinite(one.cells))
        assert read[0, 0, 0] == pytest.approx(3e38, rel=1e-3)


def test_two_runs_are_beside_each_other() -> None:
    first, other = samples.digits(10)[0], dataclasses.replace(samples.digits(12, seed=5)[0], title="other")
    page = document(first, other)
    assert facts_of(page)["title"] == first.title and facts_of(page, "other-")["title"] == "other"
    assert len(page) <= 6e6
    exact = other.layers[4].targets["weights"].maps[0].cells
    note = facts_of(page, "other-")["layers"][4]["targets"]["weights"]["maps"][0]["cells"]
    np.testing.assert_allclose(cells_of(note, block_of(page, 5, "other-")), exact, rtol=2**-11, atol=1e-9)


def test_same_run_gives_the_same_page() -> None:
    assert document(samples.digits(5)[0]) == document(samples.digits(5)[0])


def test_licence_of_what_is_not_ours_comes_along() -> None:
    folder = Path(samples.__file__).parents[2] / "lightning_weightviz" / "page" / "vendor"
    assert "MIT" in (folder / "uPlot.LICENSE").read_text()
    assert re.search(rb"uPlot.*v1\.6", document(PageData("", (), (), ())))
