"""The words of captions: what a parameter is, which moment is shown, what a cell stands for, a line of numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from lightning_weightviz.draw.color import INFINITE, NAN
from lightning_weightviz.draw.number import number, percent, shape_text
from lightning_weightviz.draw.page import Fact
from lightning_weightviz.snapshot import Kind, Parameter, Snapshot, Target

FROZEN = "frozen"
"""Not trained: it requires no gradient."""

_AXES: Mapping[Kind, tuple[str, str]] = {
    "linear": ("output unit", "input unit"),
    "head": ("output", "input unit"),
    "attention": ("output unit", "input unit"),
    "recurrent": ("gate unit", "input unit"),
    "embedding": ("entry", "dimension"),
    "conv": ("output channel", "input channel"),
}


def row_word(parameter: Parameter) -> str:
    """What a row that is drawn as a picture is."""
    return "filter" if parameter.tile is None else "unit"


def norm_words(parameter: Parameter) -> tuple[str, str]:
    """What the norms of rows and columns are called: those of the user's own matrix lie the other way round."""
    if parameter.is_transposed and parameter.kind != "bias":
        return "unit norm", "input norm"
    return "row norm", "column norm"


def unused_words(parameter: Parameter, target: Target) -> tuple[str, str]:
    """What rows and what columns of zeros are: of weights, outputs that are dead, or inputs that no output uses."""
    if target != "weights":
        return "zero rows", "zero columns"
    if parameter.units_axis == 1:
        return "unused inputs", "zero columns"
    if parameter.kind == "bias":
        return "zero rows", "zero columns"
    if parameter.is_transposed:
        return "zero units", "unused inputs"
    return "zero rows", "unused inputs"


def unmarked_facts(parameter: Parameter, statistics: Mapping[str, float]) -> list[Fact]:
    """How many units are dead in one of several matrices or groups: strips run through all and do not mark them."""
    dead = statistics["dead_units"]
    return [(f"dead units: {dead:.0f}", None)] if parameter.stretches > 1 and dead > 0 else []


def describe(parameter: Parameter, target: Target = "weights") -> str:
    """Module and shape, for instance ``Linear head 10×64`` or ``gradients · Linear 128×784``."""
    head = " head" if parameter.kind == "head" else ""
    text = f"{parameter.module}{head} {_shape(parameter)}"
    if not parameter.trainable:
        text += f" · {FROZEN}"
    return text if target == "weights" else f"{target} · {text}"


def _shape(parameter: Parameter) -> str:
    """The shape, and how it is drawn where it has more than two dimensions: ``3 × 64×32`` of stacked matrices."""
    if parameter.stacked > 1:
        return f"{parameter.stacked} × {shape_text(parameter.shape[1:])}"
    text = shape_text(parameter.own_shape)
    if parameter.layout != "matrix" or len(parameter.own_shape) < 3:
        return text
    if parameter.kept_shape:
        return f"{text} drawn as {shape_text(parameter.matrix_shape)}"
    if math.prod(parameter.shape[2:]) > 1:
        text += f" flattened to {shape_text(parameter.matrix_shape)}"
    return text


def moment(snapshot: Snapshot) -> str:
    """Epoch and step, for instance ``epoch 20 · step 899``; ``now`` where there is no training."""
    if snapshot.timeless:
        return "now"
    return f"{'start' if snapshot.initial else f'epoch {snapshot.epoch}'} · step {whole(snapshot.step)}"


def whole(count: int) -> str:
    """A whole number with a true minus sign."""
    return str(count).replace("-", "−")


def one_line(text: str) -> str:
    r"""A name as captions hold it: on one line, without what has no glyph.

    >>> one_line("red\nfox")
    'red fox'
    """
    if text.isprintable():
        return " ".join(text.split())
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def plus_minus(limit: float) -> str:
    """A range, for instance ``±0.25``."""
    return f"±{number(limit)}"


def axis_nouns(parameter: Parameter) -> tuple[str, str]:
    """What one row and what one column of the matrix is: ``output unit`` and ``input unit``."""
    if parameter.layout == "vector":
        return "row", "index"
    nouns = ("row", "column") if parameter.stacked > 1 else _AXES.get(parameter.kind, ("row", "column"))
    return nouns if parameter.units_axis == 0 or parameter.kind not in _AXES else nouns[::-1]


def axis_words(parameter: Parameter) -> tuple[str, str]:
    """What the rows and the columns of the matrix are, with their indices: ``output unit 0…127``; "" for no rows."""
    rows, columns = parameter.map_shape
    if parameter.layout == "vector":
        blocks = f": {', '.join(parameter.blocks)}" if parameter.blocks else ""
        return "", indexed("index", columns) + blocks
    if parameter.kind == "bias" and parameter.is_transposed and parameter.blocks:
        return indexed("gate unit", rows), "0 added to the input's part, 1 to the state's"
    row_word, column_word = _AXES.get(parameter.kind, ("row", "column"))
    if parameter.stacked > 1:
        row_word, column_word = f"row of {parameter.stacked} matrices", "column"
    elif parameter.units_axis == 1 and parameter.kind in _AXES:
        row_word, column_word = column_word, row_word
    if parameter.kind == "conv" and parameter.layout == "filters":
        column_word += " × kernel position"
    heads = f", {parameter.heads} heads" if parameter.heads > 1 else ""
    # Rows of the picture are not those that the user counts.
    own = parameter.name.rpartition(".")[2]
    of_rows, of_columns = (f" ({own} column)", f" ({own} row)") if parameter.is_transposed else ("", "")
    return indexed("row" if heads else row_word, rows) + heads + of_rows, indexed(column_word, columns) + of_columns


def indexed(word: str, length: int) -> str:
    """A word and its range of indices: ``index 0…9``."""
    return f"{word} 0" if length == 1 else f"{word} 0…{length - 1}"


def cell_meaning(shape: tuple[int, int], cells: tuple[int, int], target: Target = "weights", kernel: int = 1) -> str:
    """What a cell is where a map of `shape` is pooled to `cells`: ``each cell: largest of 1×4 weights``.

    Args:
        shape: Rows and columns of values, or of kernels.
        cells: Rows and columns as drawn.
        target: What the values are.
        kernel: Values of a kernel.
    """
    if kernel > 1:
        which = "sum of" if shape == cells else "largest sum of"
        return f"each cell: {which} {block_text(shape, cells, 'kernels')}"
    if shape == cells:
        return f"every {target.removesuffix('s')} is drawn"
    return f"each cell: largest of {block_text(shape, cells, target)}"


def block_text(shape: tuple[int, int], cells: tuple[int, int], things: str) -> str:
    """How many of some things a cell stands for: ``up to 2×3 weights``, ``one kernel``."""
    if shape == cells:
        return f"one {things.removesuffix('s')}"
    block = "×".join(str(-(-length // count)) for length, count in zip(shape, cells, strict=True))
    uneven = any(length % count for length, count in zip(shape, cells, strict=True))
    return f"{'up to ' if uneven else ''}{block} {things}"


def clipped(drawn: npt.NDArray[np.float32], limit: float) -> Fact:
    """Share of the finite drawn cells that are beyond ±R: ``clipped 0.5%``."""
    magnitudes, finite = np.abs(drawn), np.count_nonzero(np.isfinite(drawn))
    beyond = np.count_nonzero((magnitudes > limit) & (magnitudes < np.inf))
    share = beyond / finite if finite else math.nan
    return f"clipped {percent(share)}", None


def way(moved: float) -> str:
    """How far a parameter moved, relative to its length at the start: ``58%``."""
    return f"{100 * moved:.0f}%" if moved >= 0.1 else percent(moved)


def value_facts(statistics: Mapping[str, float], drawn: npt.NDArray[np.float32] | None, limit: float) -> list[Fact]:
    """Numbers of all values, the share of drawn cells that R clips, and NaN and infinities where there are any."""
    facts: list[Fact] = [
        (f"mean {number(statistics['mean'])}", None),
        (f"std {number(statistics['std'])}", None),
        (f"|max| {number(statistics['absmax'])}", None),
        (f"zeros {percent(statistics['zero_fraction'])}", None),
    ]
    if drawn is not None:
        facts.append(clipped(drawn, limit))
    for label, name, color in (("NaN", "nan_count", NAN), ("Inf", "inf_count", INFINITE)):
        if statistics[name] > 0:
            facts.append((f"{label}: {statistics[name]:.0f}", color))
    return facts
