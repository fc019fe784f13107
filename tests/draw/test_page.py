from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image, ImageDraw

from lightning_weightviz.draw.color import NO_VALUE, paint_magnitude, paint_signed
from lightning_weightviz.draw.page import _SPARE, GREY, INK, MARGIN, WIDTH, Page

NAMES = ["fc1.weight", "x" * 80, "model." * 13 + "w", "a" * 40 + "." + "b" * 39, "模型.层" * 20, "_" * 80, "W" * 200]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("what", ["Linear 128×784", "MultiheadAttention " + "9999×" * 12 + "1"])
def test_header_stays_within_the_margins(name: str, what: str) -> None:
    page = Page()
    page.header(
        name, what, "epoch 20 · step 899 · ±0.25 · each cell: largest of up to 1×4 weights, and more words on it"
    )
    pixels = page.raster().pixels
    columns = np.flatnonzero((pixels != 255).any(axis=(0, 2)))
    assert columns.min() >= MARGIN - 2 and columns.max() <= WIDTH - MARGIN + 1
    assert (pixels[-4:] == 255).all()


def test_header_moves_down_by_lines() -> None:
    """A second line that is a little too wide is set smaller and takes the same height."""
    heights = set()
    for epoch in ("epoch 1", "epoch 20", "epoch 300"):
        page = Page()
        page.header("fc1.weight", "Linear", f"{epoch} · step 899 · ±0.25 · each cell: largest of up to 1×4 weights")
        heights.add(page.y)
    assert len(heights) == 1


def test_paper_grows() -> None:
    page = Page()
    page.y = 3000
    page.text(MARGIN, page.y, "deep down")
    page.y += 30
    pixels = page.raster().pixels
    assert pixels.shape == (3038, WIDTH, 3)
    assert (pixels[3000:] != 255).any()
    assert (pixels[:3000] == 255).all()


def test_few_colours_of_text() -> None:
    page = Page()
    page.header("Name", "what it is", "a line of text with many curves: 0123456789 @ & §")
    assert len(np.unique(page.raster().pixels.reshape(-1, 3), axis=0)) <= 15
    assert {tuple(color) for color in page.raster().pixels.reshape(-1, 3).tolist()} >= {INK, GREY, (255, 255, 255)}


def test_facts_go_on_below_where_there_is_no_room() -> None:
    page = Page()
    page.facts([(f"fact number {index}", (213, 94, 0) if index % 2 else None) for index in range(12)])
    pixels = page.raster().pixels
    columns = np.flatnonzero((pixels != 255).any(axis=(0, 2)))
    assert columns.max() <= WIDTH - MARGIN + 1
    assert page.y > 3 * 20
    assert (pixels == (213, 94, 0)).all(axis=2).sum() >= 6 * 100


def test_pasted_picture_keeps_its_pixels_inside_its_frame() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    page = Page()
    page.paste(picture, 20, 30, framed=True)
    page.y = 50
    pixels = page.raster().pixels
    assert np.array_equal(pixels[30:35, 20:27], picture)
    assert (pixels[29, 19:28] != 255).all() and (pixels[35, 19:28] != 255).all()
    assert (pixels[:29] == 255).all()


def test_pasted_cells_are_blocks() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    page = Page()
    page.paste(picture, 20, 30, scale=(3, 2))
    page.y = 40
    large = page.raster().pixels
    for row in range(6):
        for column in range(4):
            assert np.array_equal(large[30 + row, 20 + column], picture[row // 3, column // 2])


@pytest.mark.parametrize("colors", [3, 300])
def test_rows_are_pasted_each_at_its_height(colors: int) -> None:
    """With pixels that are repeated, left out, and of more colours than a palette holds."""
    values = np.linspace(-1.0, 1.0, 12).reshape(3, 4)
    painted = paint_signed(values, 1.0, "RdBu_r")
    across, tops = np.array([3, 0, 1, 5]), (30, 44, 61)
    page, expected = Page(), Page()
    for one in (page, expected):
        one.paste(np.arange(3 * colors, dtype=np.uint16).astype(np.uint8).reshape(1, colors, 3), 20, 10)
        one.y = 80
    page.paste_rows(painted, 50, tops, scale=(6, across), framed=True)
    wide = painted.pixels.repeat(across, axis=1)
    for row, top in enumerate(tops):
        expected.paste(wide[row : row + 1], 50, top, scale=(6, 1), framed=True)
    assert np.array_equal(page.raster().pixels, expected.raster().pixels)
    assert np.array_equal(page.raster().pixels[35, 50:59], wide[0])


@pytest.mark.parametrize("colors", [1, 200, 239, 240, 241, 256, 2000])
def test_a_page_of_few_colours_has_a_palette_and_one_of_many_loses_none(colors: int) -> None:
    """Of 256 the page's own are 16: the paper, two inks in seven shades each, lines."""
    rng = np.random.default_rng(colors)
    some = rng.permutation(1 << 24)[:colors].astype(np.uint32)
    table = np.stack([some >> 16, some >> 8 & 255, some & 255], axis=1).astype(np.uint8)
    picture = table[np.arange(40 * 50).reshape(40, 50) % colors]
    page, plain = Page(), Page()
    for one in (page, plain):
        one.header("Name", "what it is", "a line of text")
    page.paste(picture, 20, 200, scale=(2, 3), framed=True)
    page.line([(20, 150), (80, 170)], color=GREY)
    page.rectangle((100, 150, 120, 170), (1, 2, 3))
    page.text(MARGIN, 300, "behind the picture")
    page.y = plain.y = 330
    drawn = page.raster()
    assert (drawn.palette is not None) == (colors < 240)
    assert np.array_equal(drawn.pixels[200:280:2, 20:170:3], picture)
    assert (drawn.pixels[150:171, 100:121] == (1, 2, 3)).all()
    assert {tuple(color) for color in drawn.pixels[290:].reshape(-1, 3).tolist()} >= {INK, (255, 255, 255)}
    assert np.array_equal(drawn.pixels[:140], plain.raster().pixels[:140])


def test_of_a_colour_table_without_room_what_is_used_is_in_the_palette() -> None:
    """Two tables of a hundred steps and more would not fit one palette, what pages use of them does."""
    page = Page()
    signed = paint_signed(np.array([[-1.0, 0.0, 1.0], [np.nan, 0.0, 1.0]]), 1.0, "RdBu_r")
    page.paste(signed, 20, 30, scale=(2, 2))
    page.paste(paint_magnitude(np.array([[0.0, 1.0]]), 1.0).mark(np.array([[True, False]]), NO_VALUE), 60, 30)
    page.y = 60
    raster = page.raster()
    assert raster.palette is not None and len(raster.palette) == 16 + len(signed.table) + 2
    assert np.array_equal(raster.pixels[30:34:2, 20:26:2], signed.pixels)
    assert tuple(raster.pixels[30, 60]) == NO_VALUE


@pytest.mark.parametrize("colors", [10, 200, 235, 236])
def test_what_is_not_used_of_a_table_makes_room(colors: int) -> None:
    signed = paint_signed(np.array([[-1.0, 0.0, 1.0], [np.nan, 0.0, 1.0]]), 1.0, "RdBu_r")
    some = np.arange(3 * colors, dtype=np.uint8).reshape(1, colors, 3)
    page = Page()
    page.header("Name", "what it is", "a line of text")
    page.paste(signed, 20, 200, scale=(2, 2))
    page.paste(some, 20, 210)
    page.paste(signed, 20, 220, scale=(2, 2), framed=True)
    page.y = 240
    raster = page.raster()
    # Beside the page's own 16 and the four that are used.
    assert (raster.palette is not None) == (colors <= 256 - 16 - 4)
    assert np.array_equal(raster.pixels[200:204:2, 20:26:2], signed.pixels)
    assert np.array_equal(raster.pixels[220:224:2, 20:26:2], signed.pixels)
    assert np.array_equal(raster.pixels[210:211, 20 : 20 + colors], some)
    plain = Page()
    plain.header("Name", "what it is", "a line of text")
    plain.y = 190
    assert np.array_equal(raster.pixels[:190], plain.raster().pixels[:190])


def drawn(seed: int) -> bytes:
    """A page unlike those of other seeds, as PNG: some are long, some in full colour."""
    rng = np.random.default_rng(seed)
    page = Page()
    page.header(f"layer{seed}.weight", f"Linear {seed}×7", f"epoch {seed} · ±0.{seed}1")
    page.paste(rng.integers(0, 256, (20, 4 + 40 * (seed % 3), 3), np.uint8), 20, 100, scale=(2 + seed, 2), framed=True)
    page.facts([(f"fact {index} of {seed}", (213, 94, 0)) for index in range(seed)])
    page.y = 200 + 60 * seed
    return page.raster().png


def test_paper_that_was_used_before_shows_nothing_of_it() -> None:
    """Pages of several threads at once are those of one thread on new paper."""
    alone = []
    for seed in range(12):
        _SPARE.clear()
        alone.append(drawn(seed))
    order = [seed for seed in range(12) for _ in range(5)]
    with ThreadPoolExecutor(6) as threads:
        assert [*threads.map(drawn, order)] == [alone[seed] for seed in order]
    assert 0 < len(_SPARE) <= 2


def test_a_raster_outlives_its_page() -> None:
    page = Page()
    page.rectangle((10, 10, 20, 20), INK)
    page.y = 40
    raster = page.raster()
    del page
    Page().rectangle((0, 0, 700, 400), GREY)
    assert (raster.pixels[10:21, 10:21] == INK).all() and (raster.pixels[22:] == 255).all()


def test_what_lies_outside_is_cut_off() -> None:
    picture = np.full((10, 10, 3), 7, np.uint8)
    page = Page()
    page.paste(picture, -5, -4)
    page.paste(picture, WIDTH - 3, 50)
    page.text(WIDTH - 20, 80, "cut off at the edge")
    page.text(-30, 110, "cut off at the edge")
    page.y = 140
    pixels = page.raster().pixels
    assert (pixels[:6, :5] == 7).all() and (pixels[6, :9] == 255).all() and (pixels[:9, 5] == 255).all()
    assert (pixels[50:60, -3:] == 7).all()
    assert (pixels[80:105, -20:] != 255).any() and (pixels[110:140, :20] != 255).any()


@pytest.mark.parametrize(
    "points", [[(40, 30), (40, 60)], [(40, 60), (40, 30)], [(30, 40), (90, 40)], [(30, 40), (30, 40)]]
)
def test_a_line_along_an_axis_is_what_pillow_draws(points: list[tuple[float, float]]) -> None:
    page, expected = Page(), Image.new("L", (720, 80))
    page.line(points, color=INK)
    page.y = 72
    ImageDraw.Draw(expected).line(points, fill=1)
    found = (page.raster().pixels == INK).all(axis=2)
    assert np.array_equal(found, np.asarray(expected)[: len(found)] > 0)


@pytest.mark.parametrize("width", [1, 3])
def test_any_line_is_what_pillow_draws_from_where_it_is_to_whole_pixels(width: int) -> None:
    """Lines of equal shape at other places, from between pixels, and beyond the page's edges."""
    random = np.random.default_rng(width)
    for _ in range(60):
        ends = random.uniform((-9.0, -9.0), (60.0, 50.0), (2, 2)).round(int(random.integers(2)))
        points = [(float(x), float(y)) for x, y in ends]
        page, expected = Page(), Image.new("L", (200, 200))
        page.line(points, color=INK, width=width)
        page.y = 72
        # Away from the edges, as Pillow cuts a place below 0 the other way.
        ImageDraw.Draw(expected).line([(x + 50, y + 50) for x, y in points], fill=1, width=width)
        found = (page.raster().pixels[:72, :100] == INK).all(axis=2)
        assert np.array_equal(found, np.asarray(expected)[50:122, 50:150] > 0), points
