"""Drift: how far the values are from those of the first snapshot, and from those of the snapshot before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from lightning_weightviz.artifacts import Artifact, Image, Raster
from lightning_weightviz.draw.dead import DEAD, dead_filters
from lightning_weightviz.draw.number import number, percent
from lightning_weightviz.draw.page import CONTENT, GREY, MARGIN, Fact, Page
from lightning_weightviz.draw.panel import BETWEEN_PANELS, TITLE_HEIGHT, Panel, PanelLayout, draw_panels
from lightning_weightviz.draw.text import SMALL
from lightning_weightviz.draw.tiles import TileLayout, plan_sheet, put_tiles
from lightning_weightviz.memory import change_map, key_of, range_for
from lightning_weightviz.snapshot import Measurement, Parameter, Target
from lightning_weightviz.views import Scene, view
from lightning_weightviz.views.support.angle import degree_text, degrees
from lightning_weightviz.views.support.collapsed import collapsed
from lightning_weightviz.views.support.time_axis import counts_epochs, moment_word
from lightning_weightviz.views.support.words import axis_words, block_text, describe, moment, one_line, row_word, way

TALLEST_SHEET = 420
"""Height of tiles in pixels, at most."""


@dataclass(frozen=True)
class Change:
    """A change to draw.

    Attributes:
        since: What it is measured from, for instance ``the start``.
        values: float32, (h, w), or filters, (n, channels, height, width).
        limit: R, its own.
    """

    since: str
    values: npt.NDArray[np.float32]
    limit: float


@dataclass(frozen=True)
class Drift:
    """Drawn changes.

    Attributes:
        raster: 720 pixels wide.
        layouts: Where the cells of each change are.
        changes: Since the start, and since the snapshot before where that is another one.
        caption: One line of plain text.
    """

    raster: Raster
    layouts: tuple[PanelLayout | TileLayout, ...]
    changes: tuple[Change, ...]
    caption: str


@view("drift", needs_start=True)
def drift(scene: Scene) -> Iterator[Artifact]:
    """Images ``<target>.drift/<parameter>`` where the first map was kept, from the snapshot after it on."""
    for target, measurements in scene.snapshot.targets.items():
        for measurement in measurements.values():
            parameter = measurement.parameter
            shown = parameter.size > 0 and scene.affords(key_of(target, parameter.name))
            if shown and (found := changes(scene, target, measurement)):
                drawn = draw_drift(scene, target, measurement, found)
                yield Image(f"{target}.drift/{parameter.name}", drawn.raster, drawn.caption)


def changes(scene: Scene, target: Target, measurement: Measurement) -> tuple[Change, ...]:
    """Now less then, cell by cell; empty where nothing was kept before, or something of another shape."""
    memory, key, ordinal = scene.memory, key_of(target, measurement.parameter.name), scene.snapshot.ordinal
    started = memory.started.get(key)
    if measurement.picture is None or started is None or started.ordinal == ordinal:
        return ()
    now = change_map(measurement.picture)
    moments = [(moment_word(started, by_epoch=counts_epochs(memory.epochs)), memory.start[key])]
    # What weights change by that have collapsed is rounding; that they have is seen from the start.
    if started.ordinal < ordinal - 1 and not collapsed(scene, target, measurement):
        moments += [("the snapshot before", memory.previous[key])] if key in memory.previous else []
    found = []
    for since, then in moments:
        if then.shape == now.shape:
            # Two infinities of one sign differ by NaN, which is what the picture shall show.
            with np.errstate(invalid="ignore", over="ignore"):
                change = now - then
            found.append(Change(since, change, range_for(change) or memory.ranges[key]))
    return tuple(found)


def draw_drift(scene: Scene, target: Target, measurement: Measurement, found: tuple[Change, ...]) -> Drift:
    """Draws the changes of one parameter side by side, each in a symmetric range of its own."""
    parameter = measurement.parameter
    what, when = describe(parameter, target), f"{moment(scene.snapshot)} · change"
    page = Page()
    page.header(parameter.name, what, f"{when} since …")
    width = (CONTENT - BETWEEN_PANELS * (len(found) - 1)) // len(found)
    layouts: list[PanelLayout | TileLayout]
    if found[0].values.ndim == 4:
        layouts = [*_draw_sheets(page, parameter, found, width, scene.style.colormap)]
    else:
        panels = [Panel(f"… {one.since}", one.values, one.limit, scene.style.colormap, width) for one in found]
        layouts = [*draw_panels(page, panels)]
        down, across = axis_words(parameter)
        page.paragraph(f"↓ {down}  → {across}" if down else f"→ {across}", size=SMALL)
    page.facts(_facts(measurement, found))
    cells = found[0].values.shape[:2]
    if found[0].values.ndim == 2 and (cells != parameter.map_shape or parameter.kernel > 1):
        block = block_text(parameter.map_shape, (cells[0], cells[1]), "kernels" if parameter.kernel > 1 else target)
        page.paragraph(f"each cell: mean change of {block}", size=SMALL)
    return Drift(page.raster(), tuple(layouts), found, f"{one_line(parameter.name)}, {what}, {when}")


def _draw_sheets(
    page: Page, parameter: Parameter, found: tuple[Change, ...], width: int, colormap: str
) -> Iterator[TileLayout]:
    """Filters as tiles, one sheet per change."""
    top, bottom = page.y + TITLE_HEIGHT, page.y
    for index, change in enumerate(found):
        count, _, *kernel = change.values.shape
        sheet = plan_sheet(count, (kernel[0], kernel[1]), width, TALLEST_SHEET)
        left = MARGIN + index * (width + BETWEEN_PANELS)
        page.text(left, page.y, f"… {change.since} · ±{number(change.limit)}", size=SMALL, color=GREY)
        placed = replace(sheet, left=left, top=top)
        put_tiles(page, change.values, change.limit, colormap, placed)
        bottom = max(bottom, placed.box.bottom)
        yield placed
    page.y = bottom + 8
    word = row_word(parameter)
    shown = f"first {sheet.shown} of {parameter.shape[0]}" if sheet.shown < parameter.shape[0] else "all"
    grey = "grey: no change, brighter: more, darker: less" if change.values.shape[1] == 3 else "white: no change"
    page.paragraph(f"{shown} {word}s · {grey}", size=SMALL)
    still = [int(dead_filters(change.values)[: sheet.shown].sum()) for change in found]
    if any(still):
        counts = ", ".join(f"{count} since {change.since}" for count, change in zip(still, found, strict=True) if count)
        page.facts([(f"{word}s that did not change: {counts}", DEAD)])


def _facts(measurement: Measurement, found: tuple[Change, ...]) -> list[Fact]:
    facts: list[Fact] = []
    if not np.isnan(measurement.moved):
        first = "at the start" if found[0].since == "the start" else "when first measured"
        facts.append((f"moved {way(measurement.moved)} of its length {first}", None))
    rotation = measurement.statistics["rotation"]
    if not np.isnan(rotation):
        facts.append((f"turned by {degree_text(float(degrees(rotation)))}", None))
    relative = measurement.statistics["relative_change"]
    if len(found) > 1 and not np.isnan(relative):
        facts.append((f"{percent(relative)} since the snapshot before", None))
    facts.append((f"largest change drawn {number(_largest(found[0].values))}", None))
    return facts


def _largest(change: npt.NDArray[np.float32]) -> float:
    return float(np.max(np.abs(change), where=np.isfinite(change), initial=0.0))
