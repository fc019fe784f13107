"""Pictures of what changed between two files, of the parameters that changed most."""

from __future__ import annotations

from collections.abc import Sequence
from glob import escape
from pathlib import Path

from lightning_weightviz.command.comparison import Change
from lightning_weightviz.command.looking import Looking
from lightning_weightviz.command.output import PAGE
from lightning_weightviz.command.series import Member
from lightning_weightviz.measure import Meter
from lightning_weightviz.memory import History
from lightning_weightviz.model.files import Checkpoint, input_shape_of
from lightning_weightviz.model.selection import Choice, select
from lightning_weightviz.model.values import differences, readable, value_of
from lightning_weightviz.page.data import PageData
from lightning_weightviz.page.document import document
from lightning_weightviz.settings import Settings
from lightning_weightviz.sinks.support.folder import LocalFolder
from lightning_weightviz.sinks.support.record import write_pictures
from lightning_weightviz.snapshot import Measurement, Snapshot
from lightning_weightviz.views import Scene, Style
from lightning_weightviz.views.support.render import render

MOST = 12
"""Parameters that are drawn."""
MOST_ON_PAGE = 64
"""Parameters whose cells are on the page."""
STATISTICS = ("rms", "std", "absmax", "zero_fraction", "nan_count", "inf_count", "dead_units")
"""On the page: those that read a file once."""


def draw_changes(first: Checkpoint, second: Checkpoint, changes: Sequence[Change], folder: Path) -> None:
    """Draws the differences of those that changed most, the most first, as ``updates.heatmap/<parameter>``.

    ``index.html`` is the page of both files, layer by layer beside each other.
    """
    shape = input_shape_of([first, second])
    now, before = second.mirrored(shape), dict(first.mirrored(shape).module.named_parameters())
    names = [change.name for change in changes if change.relative > 0 and change.name in before][:MOST]
    choice = Choice([escape(name) for name in names], max_layers=MOST, input_shape=shape)
    selection = select(now.module, choice, guess=False)
    measured: dict[str, Measurement] = {}
    with first.bounded(), second.bounded():
        for site in selection.sites:
            name = site.parameter.name
            change = differences([value_of(site.place)], [readable(before[name], name)])
            measured |= Meter([site.parameter], statistics=(), remembers=False).measure(change).result().measurements
    ordered = {name: measured[name] for name in names if name in measured}
    snapshot = Snapshot(
        step=second.step or 0,
        epoch=second.epoch or 0,
        ordinal=0,
        initial=False,
        targets={"updates": ordered},
        totals={},
        timeless=second.step is None,
    )
    scene = Scene(snapshot, History().remember(snapshot), Style())
    batch = render(scene, ["heatmap"]).whole()
    files = LocalFolder(folder)
    write_pictures(files, batch)
    files.write({PAGE: document(_data(first), _data(second))})


def _data(checkpoint: Checkpoint) -> PageData:
    """What the page shows of a file."""
    member = Member(checkpoint, checkpoint.step or 0, checkpoint.epoch or 0)
    settings = Settings(max_layers=MOST_ON_PAGE, statistics=STATISTICS, background=False)
    looking = Looking(settings, [checkpoint], is_timed=False)
    looking.keep(looking.at(member))
    return looking.data(str(checkpoint.path))
