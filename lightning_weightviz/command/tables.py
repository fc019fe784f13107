"""What the commands found, as text for a terminal: a table, and a line for each thing that is in none."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lightning_weightviz.command.comparison import Change, Unpaired
from lightning_weightviz.command.inspection import Inspection
from lightning_weightviz.draw.number import shape_text
from lightning_weightviz.snapshot import Measurement

WIDTH = 200
"""Of the tables, whatever the terminal's is: a number that is cut is worse than a line that wraps."""


def text_of(inspection: Inspection) -> str:
    """What was found in a file, and what is wrong with it."""
    checkpoint = inspection.checkpoint
    counts = (("epoch", checkpoint.epoch), ("step", checkpoint.step))
    when = [f"{name} {count}" for name, count in counts if count is not None]
    numbers = ("rms", "|max|", "zeros", "NaN", "Inf", "stable rank", "dead units")
    table = _table(("parameter", "shape", "dtype"), numbers, map(_cells, inspection.measurements))
    notes = [
        *(f"not shown: {name}: {reason}" for name, reason in inspection.skipped.items()),
        *(f"the rule {name!r} failed: {error}" for name, error in inspection.errors.items()),
        *(f"wrong: {alert.sentence}" for alert in inspection.alerts),
    ]
    if not inspection.alerts and not inspection.errors:
        notes.append("nothing wrong was found")
    return _printed([", ".join([checkpoint.path.name, *when]), table, *notes])


def text_of_changes(changes: Sequence[Change], unpaired: Unpaired) -> str:
    """What changed between two files, and what has no partner."""
    table = _table(
        ("parameter", "shape"), ("‖Δ‖/‖A‖", "angle", "not finite", "changed most"), map(_cells_of_change, changes)
    )
    notes = [
        "changed most: rows along the first axis with ‖Δrow‖; of a vector, its elements",
        *(f"missing: {name}" for name in unpaired.missing),
        *(f"new: {name}" for name in unpaired.new),
        *(f"not compared: {name}: {reason}" for name, reason in unpaired.others.items()),
    ]
    return _printed([table, *notes])


def visible(text: str) -> str:
    """Text in one line: what would move the cursor or colour the terminal is written as an escape."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _printed(things: Iterable[str | Table]) -> str:
    """One below the other, as this terminal shows them. What comes from a file is text and never markup."""
    text = io.StringIO()
    terminal = sys.stdout.isatty() or None
    console = Console(file=text, force_terminal=terminal, width=WIDTH, markup=False, highlight=False, soft_wrap=True)
    for thing in things:
        console.print(visible(thing) if isinstance(thing, str) else thing)
    return text.getvalue().removesuffix("\n")


def _table(words: Sequence[str], numbers: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in (*words, *numbers):
        # A name that is too long goes on in the next line.
        table.add_column(column, justify="left" if column in words else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    return table


def _cells(measurement: Measurement) -> Sequence[str]:
    parameter, numbers = measurement.parameter, measurement.statistics
    dead = _cell(numbers["dead_units"], ".0f")
    return (
        parameter.name,
        shape_text(parameter.own_shape),
        parameter.dtype,
        _cell(numbers["rms"], ".3g"),
        _cell(numbers["absmax"], ".3g"),
        _cell(numbers["zero_fraction"], ".1%"),
        _cell(numbers["nan_count"], ".0f"),
        _cell(numbers["inf_count"], ".0f"),
        _cell(numbers["stable_rank"], ".1f"),
        dead and f"{dead} of {parameter.units}",
    )


def _cells_of_change(change: Change) -> Sequence[str]:
    angle = _cell(change.angle, ".3g")
    return (
        change.name,
        shape_text(change.shape),
        "from 0" if math.isinf(change.relative) else f"{change.relative:.3g}",
        angle and f"{angle}°",
        str(change.unusable),
        ", ".join(f"{row} ({distance:.2g})" for row, distance in change.rows),
    )


def _cell(value: float, form: str) -> str:
    """A number; nothing where it is not defined."""
    return "" if math.isnan(value) else format(value, form)
