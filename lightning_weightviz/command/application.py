"""The commands, what they print and their exit codes: 0 fine, 1 something is wrong (--strict), 2 bad input."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from lightning_weightviz.command.comparison import Change, Unpaired, compare_each, pair
from lightning_weightviz.command.difference import draw_changes
from lightning_weightviz.command.inspection import Inspection, inspection_of, measure_each, sites_of
from lightning_weightviz.command.output import PAGE, check_output, whole_folder
from lightning_weightviz.command.rendering import render_each, settings_of
from lightning_weightviz.command.series import series_of
from lightning_weightviz.draw.number import shape_text
from lightning_weightviz.model.files import SUFFIXES, read_checkpoint
from lightning_weightviz.snapshot import Measurement

_Item = TypeVar("_Item")

application = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)


@application.callback()
def weightviz() -> None:
    """Looks at the weights in files, and runs nothing that they hold."""


@application.command()
def inspect(
    checkpoint: Annotated[Path, typer.Argument(help=f"A file whose name ends in {', '.join(SUFFIXES)}.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 if something is wrong.")] = False,
) -> None:
    """Prints a table of the parameters, and what is wrong with them."""
    with _bad_input():
        opened = read_checkpoint(checkpoint)
        sites, skipped = sites_of(opened)
        # Values may be read only now.
        measured = list(_progress(measure_each(opened, sites), "measuring", len(sites)))
    inspection = inspection_of(opened, measured, skipped)
    if as_json:
        print(json.dumps(inspection.as_json(), indent=2))
    else:
        _print(inspection)
    if strict and inspection.alerts:
        raise typer.Exit(1)


@application.command()
def render(
    checkpoints: Annotated[list[Path], typer.Argument(help="Files of one network, at one moment or several.")],
    out: Annotated[Path, typer.Option("--out", help="The folder to write; what render wrote there is replaced.")],
    layers: Annotated[
        list[str] | None, typer.Option("--layer", help="A parameter, a module or a glob; may be given again.")
    ] = None,
    max_layers: Annotated[int, typer.Option(help="How many parameters get pictures.")] = 12,
) -> None:
    """Draws what training made of the weights: heatmaps, film strips, GIFs, statistics and a page of all."""
    with _bad_input():
        check_output(out)
        series = series_of([read_checkpoint(path) for path in checkpoints])
        settings = settings_of(series, layers or (), max_layers=max_layers)
    for path, step in series.repeated:
        tell(f"{path} is left out: another file is of step {step} too")
    with _bad_input(), whole_folder(out) as folder:
        for _ in _progress(render_each(series, settings, folder), "drawing", len(series.members)):
            pass
    print(out / PAGE)


@application.command()
def compare(
    before: Annotated[Path, typer.Argument(help="The earlier file.")],
    after: Annotated[Path, typer.Argument(help="The later file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="A folder for pictures of what changed most.")] = None,
) -> None:
    """Prints what changed between two files, what changed most first."""
    with _bad_input():
        if out is not None:
            check_output(out)
        first, second = read_checkpoint(before), read_checkpoint(after)
        names, unpaired = pair(first, second)
        found = list(_progress(compare_each(first, second, names), "comparing", len(names)))
    # What is no number any more has changed more than any distance tells.
    changes = sorted(found, key=lambda change: (change.unusable == 0, -change.relative))
    if out is not None:
        with _bad_input(), whole_folder(out) as folder:
            draw_changes(first, second, changes, folder)
    if as_json:
        report = {
            "before": str(before),
            "after": str(after),
            "changes": [change.as_json() for change in changes],
            "missing": list(unpaired.missing),
            "new": list(unpaired.new),
            "not_compared": unpaired.others,
        }
        print(json.dumps(report, indent=2))
    else:
        _print_changes(changes, unpaired)


@contextmanager
def _bad_input() -> Iterator[None]:
    """Says what is wrong with a file in one line, without a traceback."""
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        tell(str(error))
        raise typer.Exit(2) from None


def tell(text: str) -> None:
    """A line on stderr."""
    print(f"weightviz: {_visible(text)}", file=sys.stderr)


def _progress(items: Iterator[_Item], what: str, total: int) -> Iterator[_Item]:
    """A bar on stderr, where that is a terminal."""
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        yield from bar.track(items, total=total, description=what)


WIDTH = 200
"""Of the tables, whatever the terminal's is: a number that is cut is worse than a line that wraps."""


def _console() -> Console:
    """What comes from a file is text and never markup."""
    return Console(width=WIDTH, markup=False, highlight=False, soft_wrap=True)


def _table(words: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in (*words, *numbers):
        # A name that is too long goes on in the next line.
        table.add_column(column, justify="left" if column in words else "right", overflow="fold")
    return table


def _print_changes(changes: Sequence[Change], unpaired: Unpaired) -> None:
    console = _console()
    table = _table(("parameter", "shape"), ("‖Δ‖/‖A‖", "angle", "not finite", "changed most"))
    for change in changes:
        of_each = ", ".join(f"{row} ({distance:.2g})" for row, distance in change.rows)
        cells = (
            change.name,
            shape_text(change.shape),
            "from 0" if math.isinf(change.relative) else f"{change.relative:.3g}",
            "" if math.isnan(change.angle) else f"{change.angle:.3g}°",
            str(change.unusable),
            of_each,
        )
        table.add_row(*(Text(_visible(cell)) for cell in cells))
    console.print(table)
    console.print("changed most: rows along the first axis with ‖Δrow‖; of a vector, its elements")
    for name in unpaired.missing:
        console.print(_visible(f"missing: {name}"))
    for name in unpaired.new:
        console.print(_visible(f"new: {name}"))
    for name, reason in unpaired.others.items():
        console.print(_visible(f"not compared: {name}: {reason}"))


def _print(inspection: Inspection) -> None:
    checkpoint = inspection.checkpoint
    console = _console()
    counts = (("epoch", checkpoint.epoch), ("step", checkpoint.step))
    when = [f"{name} {count}" for name, count in counts if count is not None]
    console.print(_visible(", ".join([checkpoint.path.name, *when])))
    numbers = ("rms", "|max|", "zeros", "NaN", "Inf", "stable rank", "dead units")
    table = _table(("parameter", "shape", "dtype"), numbers)
    for measurement in inspection.measurements:
        table.add_row(*(Text(_visible(cell)) for cell in _cells(measurement)))
    console.print(table)
    for name, reason in inspection.skipped.items():
        console.print(_visible(f"not shown: {name}: {reason}"))
    for name, error in inspection.errors.items():
        console.print(_visible(f"the rule {name!r} failed: {error}"))
    for alert in inspection.alerts:
        console.print(_visible(f"wrong: {alert.message}"))
    if not inspection.alerts and not inspection.errors:
        console.print("nothing wrong was found")


def _cells(measurement: Measurement) -> Sequence[str]:
    parameter, numbers = measurement.parameter, measurement.statistics
    dead = "" if math.isnan(numbers["dead_units"]) else f"{numbers['dead_units']:.0f} of {parameter.units}"
    return (
        parameter.name,
        shape_text(parameter.own_shape),
        parameter.dtype,
        f"{numbers['rms']:.3g}",
        f"{numbers['absmax']:.3g}",
        f"{numbers['zero_fraction']:.1%}",
        f"{numbers['nan_count']:.0f}",
        f"{numbers['inf_count']:.0f}",
        "" if math.isnan(numbers["stable_rank"]) else f"{numbers['stable_rank']:.1f}",
        dead,
    )


def _visible(text: str) -> str:
    """Text in one line: what would move the cursor or colour the terminal is written as an escape."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
