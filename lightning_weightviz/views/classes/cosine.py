"""How alike the classes of a head are: cosines between its rows, and the pairs that are most alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lightning_weightviz.artifacts import Raster
from lightning_weightviz.draw.chart import vertical
from lightning_weightviz.draw.color import NAN, NO_VALUE, Painted, paint_signed
from lightning_weightviz.draw.color_bar import BAR, paint_bar
from lightning_weightviz.draw.geometry import Box, Scale, apart
from lightning_weightviz.draw.number import number, shape_text
from lightning_weightviz.draw.page import CONTENT, GREY, INK, MARGIN, WIDTH, Page
from lightning_weightviz.draw.text import BODY, SMALL, fit, text_width
from lightning_weightviz.snapshot import ClassPairs, ClassRows, pool_extreme
from lightning_weightviz.views.support.words import indexed

NAME = 150
"""Pixels of a class name at the side."""
TOP_NAME = 110
"""Pixels of a class name that reads upwards above a column."""
ROW = SMALL + 4
"""Pixels of a row that bears a text."""
AROUND = 12
BAR_ROOM = BAR + 70
"""Pixels that the colour bar takes with its labels."""
BESIDE, BELOW = 400, 520
"""Sides of the map at most, where the list of pairs is beside it and where it is below."""


@dataclass(frozen=True)
class CosineMap:
    """A drawn map.

    Attributes:
        raster: 720 pixels wide.
        box: Where its cells are.
        factor: Height and width of a cell in pixels.
    """

    raster: Raster
    box: Box
    factor: int


def draw_cosine(head: ClassRows, pairs: ClassPairs, when: str, colormap: str) -> CosineMap:
    """Draws the cosines between the centred rows from −1 to +1, the diagonal grey, and the most alike pairs."""
    count = len(head.class_names)
    ideal = None if head.multi_label else -1 / (count - 1)
    page = Page()
    facts = [when]
    if np.isfinite(pairs.cosine_spread):
        facts.append(f"spread {number(pairs.cosine_spread)}")
    if ideal is not None:
        facts.append(f"ideal −1/{count - 1} = {number(ideal, digits=2)}")
    page.header("class cosine", f"{head.name} {shape_text(head.own_shape)}", " · ".join(facts))

    plan = _plan(head, pairs)
    cells = paint_cosine(head, pairs, plan.side, colormap)
    factor, left = plan.side // len(cells.rows), plan.left
    top = _column_names(page, head.class_names, left, factor) if plan.names else page.y + ROW
    length = factor * len(cells.rows)
    box = Box(left, top, left + length, top + length)
    if not plan.names:
        page.text(left, page.y, f"↓ {indexed('class', count)}   → the same classes", size=SMALL, color=GREY)
    page.paste(cells, box.left, box.top, scale=(factor, factor), framed=True)
    for row, name in enumerate(plan.names):
        page.text(left - 8, top + (row + 0.5) * factor, name, size=SMALL, anchor="rm")
    _cosine_bar(page, Box(box.right + AROUND, top, box.right + AROUND + BAR, box.bottom), ideal, colormap)

    page.y = box.bottom + AROUND
    if len(cells.rows) < count:
        block = f"{-(-count // len(cells.rows))}²"
        page.paragraph(f"a cell holds up to {block} pairs and shows the farthest from 0", size=SMALL)
    _draw_pairs(page, plan, box)
    rows = f"{head.line}s as they are: multi-label" if head.multi_label else f"{head.line}s centred, as softmax does"
    page.paragraph(f"+1: two classes look for the same, −1: for opposites ({rows})", size=SMALL)
    return CosineMap(page.raster(), box, factor)


@dataclass(frozen=True)
class _Plan:
    """Where the map goes, and which of its words have room.

    Attributes:
        left: Of the map, in pixels.
        side: Of the map at most, in pixels.
        names: Of the rows and columns; empty where they have no room.
        closest: The most alike pairs, each with its cosine.
        beside: Whether these stand beside the map, else below it.
    """

    left: int
    side: int
    names: list[str]
    closest: list[tuple[str, str]]
    beside: bool


def _plan(head: ClassRows, pairs: ClassPairs) -> _Plan:
    """As large a map as leaves room for the names of its rows and the list of pairs."""
    count = len(head.class_names)
    closest = [(_pair(head, a, b, CONTENT - 90), _two_digits(cosine)) for a, b, cosine in pairs.closest]
    list_width = max((text_width(f"{pair}  {value}", SMALL) for pair, value in closest), default=0.0)
    # More classes have no room for their names.
    names = [fit(name, NAME, SMALL) for name in head.class_names[: BELOW // ROW]]
    label_width = round(max(text_width(name, SMALL) for name in names)) + 8
    beside = label_width + BESIDE + AROUND + BAR_ROOM + 14 + list_width <= CONTENT
    side = BESIDE if beside else min(BELOW, CONTENT - BAR_ROOM)
    named = count == len(pairs.cosine) and min(side, CONTENT - label_width - BAR_ROOM) // count >= ROW
    left = MARGIN + (label_width if named else 0)
    side = min(side, WIDTH - MARGIN - BAR_ROOM - left)
    return _Plan(left, side, names if named else [], closest, beside)


def _draw_pairs(page: Page, plan: _Plan, box: Box) -> None:
    """The most alike pairs, beside the map or below it."""
    if plan.beside:
        _list_pairs(page, plan.closest, box.right + AROUND + BAR_ROOM + 14, box.top, box.bottom)
    elif plan.closest:
        page.text(MARGIN, page.y, "most alike", size=BODY, bold=True)
        page.y += ROW + 4
        page.facts([(f"{pair}  {value}", None) for pair, value in plan.closest[:6]])


def paint_cosine(head: ClassRows, pairs: ClassPairs, side: int, colormap: str) -> Painted:
    """One colour per cell, at most `side` of them, pooled where they would fill little of it; the diagonal is grey.

    A cosine is undefined, hence grey, with a row of zeros, and magenta where a weight of the head is not finite.
    """
    cosine = pairs.cosine
    factor = max(side // len(cosine), 1)
    if factor * len(cosine) not in range(round(0.8 * side), side + 1):
        cells = side // (-(-side // len(cosine)))
        cosine = pool_extreme(cosine, cells, cells)
    painted = paint_signed(cosine, 1.0, colormap)
    painted = painted.mark(np.isnan(cosine), NO_VALUE if np.isfinite(head.norms).all() else NAN)
    return painted.mark(np.eye(len(cosine), dtype=np.bool_), NO_VALUE)


def _pair(head: ClassRows, first: int, second: int, width: float) -> str:
    return f"{fit(head.class_names[first], width / 2, SMALL)} ~ {fit(head.class_names[second], width / 2, SMALL)}"


def _two_digits(cosine: float) -> str:
    return f"{cosine:+.2f}".replace("-", "−").replace("nan", "NaN")


def _column_names(page: Page, names: tuple[str, ...], left: int, factor: int) -> int:
    """Writes names above the columns, upright where all fit, else upwards; returns where the columns begin."""
    if all(text_width(name, SMALL) <= factor - 4 for name in names):
        for column, name in enumerate(names):
            page.text(left + (column + 0.5) * factor, page.y, name, size=SMALL, anchor="ma")
        return page.y + ROW + 2
    turned = [vertical(fit(name, TOP_NAME, SMALL)) for name in names]
    bottom = page.y + max(len(pixels) for pixels in turned)
    for column, pixels in enumerate(turned):
        page.paste(pixels, left + column * factor + (factor - pixels.shape[1]) // 2, bottom - len(pixels))
    return bottom + 4


def _cosine_bar(page: Page, box: Box, ideal: float | None, colormap: str) -> None:
    """The colour bar, with a mark at the cosine that classes as far apart as can be have, where there is one."""
    page.paste(paint_bar(box.height, box.width, colormap), box.left, box.top, framed=True)
    scale = Scale(-1.0, 1.0, box.bottom, box.top)
    x, zero = box.right + 6, scale.at(0.0)
    page.text(x, box.top + 8, "+1", size=SMALL, color=GREY, anchor="lm")
    page.text(x, box.bottom - 8, "−1", size=SMALL, color=GREY, anchor="lm")
    if ideal is None:
        page.text(x, zero, "0", size=SMALL, color=GREY, anchor="lm")
        return
    mark = scale.at(ideal)
    page.line([(box.left, mark), (box.right + 3, mark)], color=INK, width=3)
    # Many classes bring the mark up to 0, few bring it down to the end.
    places = apart([zero, mark], ROW, box.top, box.bottom - 2 * ROW - 8)
    page.text(x, min(places[0], zero), "0", size=SMALL, color=GREY, anchor="lm")
    page.text(x, places[1], number(ideal, digits=2), size=SMALL, anchor="lm")
    page.text(x, places[1] + ROW - 2, "ideal", size=SMALL, anchor="lm")


def _list_pairs(page: Page, pairs: list[tuple[str, str]], left: int, top: int, bottom: int) -> None:
    if pairs:
        page.text(left, top, "most alike", size=BODY, bold=True)
    shown = pairs[: (bottom - top - 36) // 28]
    for row, (pair, value) in enumerate(shown):
        page.text(left, top + 36 + 28 * row, pair, size=SMALL)
        page.text(WIDTH - MARGIN, top + 36 + 28 * row, value, size=SMALL, color=GREY, anchor="ra")
