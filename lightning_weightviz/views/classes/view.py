"""The head, class by class: its rows, how alike they are, their norms and biases, and what the input must look like."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np

from lightning_weightviz.artifacts import Artifact, Image, Raster, Scalar
from lightning_weightviz.draw.matrix import LOWEST, MAX_CELLS, Matrix, MatrixLayout, dead_facts, draw_matrix, pool_norms
from lightning_weightviz.draw.number import shape_text
from lightning_weightviz.draw.page import Page
from lightning_weightviz.draw.text import SMALL, fit, text_width
from lightning_weightviz.memory import key_of, range_for, templates_key
from lightning_weightviz.snapshot import ClassPairs, ClassRows, is_milestone
from lightning_weightviz.views import Scene, view
from lightning_weightviz.views.classes.cosine import draw_cosine
from lightning_weightviz.views.classes.norms import draw_norms, norm_spread
from lightning_weightviz.views.classes.over_time import MOST_LINES, draw_over_time, over_time
from lightning_weightviz.views.classes.templates import draw_templates
from lightning_weightviz.views.support.collapsed import collapsed_classes, draw_collapsed
from lightning_weightviz.views.support.words import cell_meaning, indexed, moment, one_line, plus_minus

MAX_SCALAR_CLASSES = 32
"""Up to so many classes each has a scalar of its own; beyond, `classes.norm_spread/head` says how they differ."""

MAX_NAMED = 23
"""Up to so many classes have their names beside the rows."""

COLUMNS = 384
"""Cells across at most, so that the names have room beside them."""

LABEL_WIDTH, LABEL_HEIGHT = 150, 22
"""Pixels of a class name beside the rows."""


@view("classes", numbers=True, at_end=True)
def classes(scene: Scene) -> Iterator[Artifact]:
    """Images and scalars of each head.

    Of further heads the layer's name follows: ``classes/weights/<layer>``, ``classes.norm/<layer>/<class name>``.

    Images: ``classes/weights`` and ``classes/norms`` always; ``classes/cosine`` from three classes on, or two of
    several that may be true together, if all pairs were compared; ``classes/templates`` if the head has them and more
    than one output; at log-spaced snapshots and the last ``classes/over_time``, of up to `MOST_LINES` classes.

    Scalars, as far as they are finite: ``classes.norm/<class name>``, the L2 norm of the centred row, of up to
    `MAX_SCALAR_CLASSES` classes (where names are equal, all have their index behind them); from three classes on, as
    they are constants with two, ``classes.norm_spread/head`` (standard deviation of the norms / their mean),
    ``classes.cosine_spread/head`` and ``classes.simplex_distance/head``.
    """
    for index, (head, pairs) in enumerate(zip(scene.snapshot.heads, scene.pairs, strict=True)):
        # Of several heads the first keeps the tags that it would have alone.
        suffix = f"/{head.name.removesuffix('.weight').removesuffix('.kernel')}" if index else ""
        yield from _of_head(scene, head, pairs.result(), templates_key(index, head), suffix)


def _of_head(
    scene: Scene, head: ClassRows, pairs: ClassPairs | None, templates_range: str, suffix: str
) -> Iterator[Artifact]:
    head = replace(head, class_names=_all_written(head.class_names))
    if scene.draws and scene.renews(templates_range):
        yield from _images(scene, head, pairs, templates_range, suffix)
    if scene.draws and scene.affords(templates_range) and (scene.last or is_milestone(scene.snapshot.ordinal)):
        yield from _over_time(scene, head, suffix)
    # What is compared of rows that are the same is their rounding.
    yield from _scalars(head, None if collapsed_classes(scene, head) else pairs, suffix)


def _images(
    scene: Scene, head: ClassRows, pairs: ClassPairs | None, templates_range: str, suffix: str
) -> Iterator[Image]:
    layer, when = one_line(head.name), moment(scene.snapshot)
    gone = collapsed_classes(scene, head)
    if gone:
        yield from _collapsed_images(head, pairs, when, suffix, gone)
        return
    yield Image(f"classes/weights{suffix}", draw_weights(scene, head)[0], f"{layer} by class, {when}")
    if pairs is not None and (len(head.class_names) > 2 or head.multi_label):
        raster = draw_cosine(head, pairs, when, scene.style.colormap).raster
        yield Image(f"classes/cosine{suffix}", raster, f"cosines between the classes of {layer}, {when}")
    over = over_time(scene.memory, head)
    raster = draw_norms(head, when, scene.style.colormap, over).raster
    yield Image(f"classes/norms{suffix}", raster, f"norms and biases of the classes of {layer}, {when}")
    if head.templates is not None and head.templates.size and not head.single:
        limit = scene.memory.ranges.get(templates_range) or range_for(head.templates) or 1.0
        raster = draw_templates(head, when, limit, scene.style.colormap).raster
        path = one_line(" → ".join(head.template_path))
        yield Image(f"classes/templates{suffix}", raster, f"class templates {path}, {when}")


def _collapsed_images(head: ClassRows, pairs: ClassPairs | None, when: str, suffix: str, gone: str) -> Iterator[Image]:
    """The same pictures, so that no older one stays in sight, each of which says that there is nothing to be seen."""
    names = ["weights", *(["cosine"] if pairs is not None and len(head.class_names) > 2 else []), "norms"]
    names += ["templates"] if head.templates is not None and head.templates.size and not head.single else []
    for name in names:
        raster = draw_collapsed(f"class {name}", f"{head.name} {shape_text(head.own_shape)}", when, gone)
        yield Image(f"classes/{name}{suffix}", raster, f"classes of {one_line(head.name)}, {when}, collapsed")


def _over_time(scene: Scene, head: ClassRows, suffix: str) -> Iterator[Image]:
    over, when = over_time(scene.memory, head), moment(scene.snapshot)
    if over is not None and len(head.class_names) <= MOST_LINES:
        caption = f"the classes of {one_line(head.name)} over time, {when}"
        yield Image(f"classes/over_time{suffix}", draw_over_time(head, when, over), caption)


def draw_weights(scene: Scene, head: ClassRows) -> tuple[Raster, MatrixLayout]:
    """Draws the rows of the head as they are, named by class; of two classes their difference too."""
    count = len(head.class_names)
    limit = scene.memory.ranges.get(key_of("weights", head.name)) or range_for(head.picture.extreme) or 1.0
    values, row_norms = head.picture.shrink(MAX_CELLS, COLUMNS), pool_norms(head.picture.row_norms, MAX_CELLS)
    names = [fit(name, LABEL_WIDTH, SMALL) for name in head.class_names] if count <= MAX_NAMED else []
    with_difference = count == 2 and not head.multi_label and values.shape == head.picture.shape
    if with_difference:
        with np.errstate(invalid="ignore"):
            values = np.concatenate([values, values[1:] - values[:1]])
        row_norms = np.concatenate([row_norms, np.full((1, 2), head.norms.sum(), np.float32)])
        difference = f"{head.class_names[1]} − {head.class_names[0]}"
        names.append(difference if text_width(difference, SMALL) <= LABEL_WIDTH else "second − first")
    own = head.name.rpartition(".")[2]
    page = Page()
    cells = cell_meaning(head.picture.shape, (min(count, len(values)), values.shape[1]))
    line = f"{moment(scene.snapshot)} · {plus_minus(limit)} · {cells}"
    page.header("class weights", f"{head.name} {shape_text(head.own_shape)}", line)
    matrix = Matrix(
        values=values,
        limit=limit,
        colormap=scene.style.colormap,
        row_words=indexed("class", count) + (f" ({own} column)" if head.in_columns else ""),
        column_words=indexed("input unit", head.width) + (f" ({own} row)" if head.in_columns else ""),
        row_norms=row_norms,
        column_norms=pool_norms(head.picture.column_norms, COLUMNS),
        norm_words=("class norm", "input norm") if head.in_columns else ("row norm", "column norm"),
        row_labels=tuple(enumerate(names)),
        lowest=max(LOWEST, LABEL_HEIGHT * len(names)),
    )
    layout = draw_matrix(page, matrix)
    if dead := dead_facts(matrix, ("zero classes" if head.in_columns else "zero rows", "unused inputs")):
        page.facts(dead)
    page.paragraph(_words(head, with_difference), size=SMALL)
    return page.raster(), layout


def _words(head: ClassRows, with_difference: bool) -> str:
    """What the rows say, in one sentence."""
    if head.single:
        name = head.class_names[0]
        return f"one output: positive = second class{'' if name.isdigit() else f' ({fit(name, 3 * LABEL_WIDTH)})'}"
    if len(head.class_names) == 2 and not head.multi_label:
        shown = "" if with_difference else ", not drawn here as a cell holds several weights"
        return (
            f"two classes: only the difference of the {head.line}s decides{shown}. "
            f"Centred, the {head.line}s are mirror images: their cosine is always −1."
        )
    return "positive: the unit speaks for the class, negative: against it"


def _scalars(head: ClassRows, pairs: ClassPairs | None, suffix: str) -> Iterator[Scalar]:
    if len(head.class_names) <= MAX_SCALAR_CLASSES:
        for name, norm in zip(unique(head.class_names), head.norms, strict=True):
            if math.isfinite(norm):
                yield Scalar(f"classes.norm{suffix}/{name}", float(norm))
    if len(head.class_names) < 3:
        return
    for name, value in (
        ("norm_spread", norm_spread(head)),
        ("cosine_spread", math.nan if pairs is None else pairs.cosine_spread),
        ("simplex_distance", math.nan if pairs is None else pairs.simplex_distance),
    ):
        if math.isfinite(value):
            yield Scalar(f"classes.{name}{suffix}/head", float(value))


@lru_cache(maxsize=8)
def _all_written(names: tuple[str, ...]) -> tuple[str, ...]:
    """`written` of each, once for all snapshots: there may be thousands."""
    return tuple(written(name, index) for index, name in enumerate(names))


def written(name: str, index: int) -> str:
    r"""A class name on one line, without what has no glyph; its index where nothing is left.

    >>> written("red\nfox", 0), written(" ", 7)
    ('red fox', '7')
    """
    return one_line(name) or str(index)


def unique(names: tuple[str, ...]) -> list[str]:
    """The names; where some are equal, all have their index behind them.

    >>> unique(("cat", "dog", "cat"))
    ['cat (0)', 'dog (1)', 'cat (2)']
    """
    if len(set(names)) == len(names):
        return list(names)
    return [f"{name} ({index})" for index, name in enumerate(names)]
