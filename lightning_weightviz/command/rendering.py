"""Pictures and statistics of a series of files, with one tensor at a time in memory."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from lightning_weightviz.artifacts import Batch, Scalar
from lightning_weightviz.command.looking import Looking
from lightning_weightviz.command.output import PAGE, STATISTICS_FILE
from lightning_weightviz.command.series import Series
from lightning_weightviz.page.document import document
from lightning_weightviz.settings import Settings
from lightning_weightviz.sinks.support.folder import LocalFolder
from lightning_weightviz.sinks.support.names import unicode_tag
from lightning_weightviz.sinks.support.record import write_pictures
from lightning_weightviz.views import VIEWS
from lightning_weightviz.views.support.render import render

STATISTICS = (
    "mean",
    "std",
    "rms",
    "norm",
    "min",
    "max",
    "absmax",
    "zero_fraction",
    "nan_count",
    "inf_count",
    "rotation",
    "relative_change",
    "stable_rank",
    "spectral_norm",
    "dead_units",
)
"""Columns of ``statistics.csv``."""
_TAG = "weights."
_AT_ONE_MOMENT = ("overview", "heatmap", "classes", "distribution")
_OVER_TIME = ("evolution", "drift")


def settings_of(series: Series, layers: Sequence[str], **arguments: object) -> Settings:
    """What is drawn of a series.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: An argument has a value that is not allowed.
    """
    views = _AT_ONE_MOMENT if len(series.members) == 1 else (*_AT_ONE_MOMENT, *_OVER_TIME)
    return Settings(
        # All are named, as what is named has scalars whatever it is.
        layers=list(layers) or ["*"],
        views=(*views, "statistics"),
        statistics=STATISTICS,
        animation=True,
        background=False,
        **arguments,  # type: ignore[arg-type]  # Settings checks them
    )


def render_each(series: Series, settings: Settings, folder: Path) -> Iterator[None]:
    """Draws one file after the other; yields after each.

    ``<tag>/step_00000570.png`` and ``.gif``, with ``manifest.jsonl``, hold the pictures, ``statistics.csv`` a row per
    step and parameter, and ``index.html`` is the page of all files.

    Raises:
        ValueError: No parameter is left to show.
    """
    looking = Looking(settings, [member.checkpoint for member in series.members], is_timed=series.is_timed)
    table, files = _Table(), LocalFolder(folder)
    for member in series.members:
        scene = looking.at(member)
        names = looking.settings.views
        rendered = render(scene, [name for name in names if scene.last or not VIEWS[name].over_time])
        batch = rendered.whole()
        write_pictures(files, batch)
        looking.keep(scene)
        table.add(batch)
        yield
    page = document(looking.data(_title(series)))
    files.write({STATISTICS_FILE: unicode_tag(table.text()).encode(), PAGE: page})


def _title(series: Series) -> str:
    names = [member.checkpoint.path.name for member in (series.members[0], series.members[-1])]
    return f"Weights of {names[0]}" if len(series.members) == 1 else f"Weights from {names[0]} to {names[1]}"


class _Table:
    """Statistics as rows: step, epoch, parameter, then one column each."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, int, str], dict[str, float]] = {}

    def add(self, batch: Batch) -> None:
        """Takes the scalars of a moment."""
        for artifact in batch.artifacts:
            if isinstance(artifact, Scalar) and artifact.tag.startswith(_TAG):
                statistic, _, name = artifact.tag.removeprefix(_TAG).partition("/")
                self._rows.setdefault((batch.step, batch.epoch, name), {})[statistic] = artifact.value

    def text(self) -> str:
        """As CSV; what is not defined is empty."""
        lines = io.StringIO()
        writer = csv.writer(lines)
        writer.writerow(["step", "epoch", "parameter", *STATISTICS])
        for key, values in self._rows.items():
            writer.writerow([*key, *(repr(values[name]) if name in values else "" for name in STATISTICS)])
        return lines.getvalue()
