"""Evolution: the start and log-spaced snapshots since, all in one range; at the end as an animation too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.artifacts import Animation, Artifact, Image, Raster
from lightning_weightviz.draw.color import Pixels
from lightning_weightviz.draw.film import FilmLayout, Tile, draw_film
from lightning_weightviz.draw.matrix import Matrix, draw_matrix
from lightning_weightviz.draw.page import Page
from lightning_weightviz.draw.tiles import draw_tiles, rgb_legend
from lightning_weightviz.memory import FRAME_CELLS, Frame, film_key, filmed, frame_of, key_of, worth_a_look
from lightning_weightviz.snapshot import Measurement, Parameter, Target, pool_extreme
from lightning_weightviz.views import Scene, view
from lightning_weightviz.views.support.time_axis import counts_epochs, is_start
from lightning_weightviz.views.support.words import (
    axis_words,
    cell_meaning,
    describe,
    one_line,
    plus_minus,
    row_word,
    way,
)

MOST_LISTED = 12
"""Filters whose numbers are told."""


@dataclass(frozen=True)
class Evolution:
    """A drawn film strip.

    Attributes:
        raster: 720 pixels wide.
        layout: Where its tiles are.
        caption: One line of plain text.
    """

    raster: Raster
    layout: FilmLayout
    caption: str


@view("evolution", over_time=True)
def evolution(scene: Scene) -> Iterator[Artifact]:
    """Images ``<target>.evolution/<parameter>``; at the end, where asked for, GIFs ``<target>.animation/<parameter>``.

    Of pictured parameters of two or more dimensions.
    """
    for target, measurements in scene.snapshot.targets.items():
        for name, measurement in measurements.items():
            parameter, frames = measurement.parameter, film_of(scene, target, measurement)
            if not frames or parameter.size == 0 or not scene.affords(key_of(target, name)):
                continue
            drawn = draw_evolution(scene, target, parameter, frames)
            yield Image(f"{target}.evolution/{name}", drawn.raster, drawn.caption)
            if scene.last and scene.style.animation:
                yield Animation(
                    f"{target}.animation/{name}", draw_frames(scene, target, parameter, frames), caption=drawn.caption
                )


def film_of(scene: Scene, target: Target, measurement: Measurement) -> tuple[Frame, ...]:
    """What is remembered of a parameter, and the present as the last frame; empty where it has no film."""
    key = key_of(target, measurement.parameter.name)
    frames = scene.memory.frames.get(key, ())
    if not frames or measurement.picture is None:
        return ()
    known = {frame.ordinal: frame for frame in (*scene.memory.around.get(key, ()), *frames)}
    if scene.snapshot.ordinal not in known:
        known[scene.snapshot.ordinal] = frame_of(scene.snapshot, measurement, measurement.picture)
    return tuple(known[ordinal] for ordinal in sorted(known))


def draw_evolution(scene: Scene, target: Target, parameter: Parameter, frames: Sequence[Frame]) -> Evolution:
    """Draws the film strip of one parameter."""
    limit = scene.memory.ranges[film_key(key_of(target, parameter.name), parameter)]
    titles = frame_titles(frames)
    what = describe(parameter, target)
    span = titles[0] if len(titles) == 1 else f"{titles[0]} to {titles[-1]}"
    page = Page()
    page.header(parameter.name, what, f"{span} · one range {plus_minus(limit)} for all")
    shown, least = worth_a_look(frames, filmed(parameter)) if filmed(parameter) else ([], 0)
    cells = _map_cells(scene)
    tiles = [
        Tile(title, "" if index == 0 else _moved(frame), _values(parameter, frame, shown, cells))
        for index, (title, frame) in enumerate(zip(titles, frames, strict=True))
    ]
    if filmed(parameter):
        words = [_which(parameter, shown, least, len(frames))]
        if parameter.filters_shape[1] == 3:
            words.append(rgb_legend(limit))
    else:
        rows, columns = tiles[-1].values.shape
        words = [cell_meaning(parameter.map_shape, (rows, columns), target, parameter.kernel)]
    if around := scene.memory.around.get(key_of(target, parameter.name)):
        by_ordinal = dict(zip((frame.ordinal for frame in frames), titles, strict=True))
        words.append(f"largest change: {' to '.join(by_ordinal[frame.ordinal] for frame in around)}")
    if any(tile.note for tile in tiles):
        words.append("moved: length of the change, relative to the length at the start")
    layout = draw_film(page, tiles, limit, scene.style.colormap, words)
    return Evolution(page.raster(), layout, f"{one_line(parameter.name)}, {what}, {span}")


def draw_frames(scene: Scene, target: Target, parameter: Parameter, frames: Sequence[Frame]) -> tuple[Pixels, ...]:
    """Draws each frame on a page of its own, all of one size."""
    limit = scene.memory.ranges[film_key(key_of(target, parameter.name), parameter)]
    rows, columns = axis_words(parameter)
    shown, least = worth_a_look(frames, filmed(parameter)) if filmed(parameter) else ([], 0)
    pages = []
    for title, frame in zip(frame_titles(frames), frames, strict=True):
        page = Page()
        moved = f" · {_moved(frame)}" if _moved(frame) else ""
        page.header(parameter.name, describe(parameter, target), f"{title} · {plus_minus(limit)}{moved}")
        if filmed(parameter):
            filters = frame.of_rows(shown).reshape(-1, *parameter.filters_shape[1:])
            which = _which(parameter, shown, least, len(frames))
            draw_tiles(page, filters, limit, scene.style.colormap, parameter.shape[0], which=which)
        else:
            draw_matrix(page, Matrix(frame.values, limit, scene.style.colormap, rows, columns))
        pages.append(page.raster().pixels)
    height = max(len(pixels) for pixels in pages)
    return tuple(np.pad(pixels, ((0, height - len(pixels)), (0, 0), (0, 0)), constant_values=255) for pixels in pages)


def _which(parameter: Parameter, shown: Sequence[int], least: int, frames: int) -> str:
    """Which filters are shown."""
    word, total = row_word(parameter), parameter.shape[0]
    if len(shown) == total:
        return f"all {word}s"
    if least == 0 or frames == 1:
        return f"first {len(shown)} of {total} {word}s"
    first, last = shown[:-least][: MOST_LISTED - least], shown[-least:]
    most, rest = (", ".join(map(str, some)) for some in (first, last))
    more = ", …" if len(shown) > MOST_LISTED else ""
    return f"{len(shown)} of {total} {word}s: moved most {most}{more}; least {rest}"


def _map_cells(scene: Scene) -> tuple[int, int]:
    """Rows and columns that a tile has at most, half as many on crowded scenes."""
    return (FRAME_CELLS[0] // 2, FRAME_CELLS[1] // 2) if scene.is_crowded else FRAME_CELLS


def _values(
    parameter: Parameter, frame: Frame, shown: Sequence[int], cells: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """What a tile shows of a frame: filters, or a map."""
    if filmed(parameter):
        return frame.of_rows(shown).reshape(-1, *parameter.filters_shape[1:])
    return pool_extreme(frame.values, *cells)


def frame_titles(frames: Sequence[Frame]) -> list[str]:
    """``start``, then epochs; steps where two frames are of one epoch."""
    by_epoch = counts_epochs(frame.epoch for frame in frames)
    return [
        "start" if is_start(frame.epoch, frame.step) else f"epoch {frame.epoch}" if by_epoch else f"step {frame.step}"
        for frame in frames
    ]


def _moved(frame: Frame) -> str:
    return "" if np.isnan(frame.moved) else f"moved {way(frame.moved)}"
