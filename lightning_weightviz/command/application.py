"""The commands and their exit codes: 0 fine, 1 something is wrong (--strict), 2 bad input."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.progress import Progress

from lightning_weightviz.command.comparison import compare_each, pair
from lightning_weightviz.command.difference import draw_changes
from lightning_weightviz.command.inspection import inspection_of, measure_each, sites_of
from lightning_weightviz.command.output import PAGE, check_output, whole_folder
from lightning_weightviz.command.rendering import render_each, settings_of
from lightning_weightviz.command.series import series_of
from lightning_weightviz.command.tables import text_of, text_of_changes, visible
from lightning_weightviz.model.files import SUFFIXES, read_checkpoint

_Item = TypeVar("_Item")
_BROKEN_PIPE = 128 + 13
"""As a shell tells of the signal, which Windows has not."""

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
        _print(json.dumps(inspection.as_json(), indent=2))
    else:
        _print(text_of(inspection))
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
    _print(str(out / PAGE))


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
        _print(json.dumps(report, indent=2))
    else:
        _print(text_of_changes(changes, unpaired))


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
    print(f"weightviz: {visible(text)}", file=sys.stderr)


def _print(text: str) -> None:
    """Prints what was found. A reader that has enough, as head has, ends the command as it ends others."""
    try:
        print(text, flush=True)
    except OSError as error:
        # Python would try again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise typer.Exit(_BROKEN_PIPE) from None
        tell(f"what was found cannot be printed: {error.strerror}")
        raise typer.Exit(2) from None


def _progress(items: Iterator[_Item], what: str, total: int) -> Iterator[_Item]:
    """A bar on stderr, where that is a terminal."""
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        yield from bar.track(items, total=total, description=what)
