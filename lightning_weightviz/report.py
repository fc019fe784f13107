"""The page of a run: what it shows is kept while the run goes on, and it is written again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from lightning_weightviz.draw.color import STEPS, signed_table
from lightning_weightviz.findings import Finding
from lightning_weightviz.findings.support.engine import Judged
from lightning_weightviz.page.data import PageData
from lightning_weightviz.page.document import document
from lightning_weightviz.page.store import PageStore
from lightning_weightviz.run.errors import LaterTolerance
from lightning_weightviz.sinks.support.folder import SUBFOLDER, Place, inside, open_folder
from lightning_weightviz.sinks.support.names import page_file
from lightning_weightviz.views import Scene

PAGE = "report/weights"
"""Where loggers put the page of the run, after the user's prefix."""


@dataclass(frozen=True)
class Seen:
    """A snapshot that has left the device, remembered and judged.

    Attributes:
        scene: What views draw.
        judged: What is wrong with it.
        found: All findings so far.
        errors: What each statistic that failed raised, by its name.
    """

    scene: Scene
    judged: Judged = field(default_factory=Judged)
    found: Sequence[Finding] = ()
    errors: Mapping[str, Exception] = field(default_factory=dict)


class Report:
    """The page of a run, with what it shows.

    Args:
        title: One line.
        folder: Where ``weightviz/report.html`` is written; None: only the newest snapshot is kept, and nothing written.
        prefix: Of tags: two callbacks of one folder have two pages, ``weightviz/student/report.html`` with
            ``prefix="student/"``.

    Attributes:
        tag: Of the page.
        tolerance: Of what fails on the thread that draws.
    """

    def __init__(self, title: str, folder: Place | None, prefix: str = "") -> None:
        self.tag = f"{prefix}{PAGE}"
        self._title = title
        self._folder = folder
        self._newest: Seen | None = None
        self._store = PageStore()
        self._last_kept: Seen | None = None
        self.tolerance = LaterTolerance()

    @property
    def is_kept(self) -> bool:
        """Whether snapshots are kept and the page is written."""
        return self._folder is not None

    def continue_from(self, other: Report) -> None:
        """Goes on with what another one of the same run has kept, where both keep."""
        if self.is_kept and other.is_kept:
            self._store, self._last_kept = other._store, other._last_kept

    def note(self, seen: Seen) -> None:
        """Remembers the newest snapshot; on the thread that measures."""
        self._newest = seen

    def add(self, seen: Seen) -> None:
        """Keeps a snapshot; this and `write` on the thread that draws."""
        with self.tolerance.of("keeping the report"):
            self._store.add(seen.scene, self._left)
            self._last_kept = seen

    def _left(self) -> bytes:
        """The page in the file, which a run that is resumed in the same folder has left; empty where there is none."""
        if self._folder is None:
            return b""
        with self.tolerance.of("reading the earlier report"):
            return open_folder(inside(self._folder, SUBFOLDER)).read(page_file(self.tag))
        return b""

    def renew(self, scene: Scene) -> None:
        """Keeps more of the snapshot that was kept last: what was measured of it since."""
        with self.tolerance.of("keeping the report"):
            self._store.renew(scene)

    def write(self) -> bytes | None:
        """Makes the page and puts it into its file, in one step; gives it, or None where it cannot be made."""
        content: bytes | None = None
        with self.tolerance.of("making the report"):
            content = self.html()
        if content is not None and self._folder is not None:
            with self.tolerance.of("writing the report"):
                open_folder(inside(self._folder, SUBFOLDER)).write({page_file(self.tag): content})
        return content

    def html(self) -> bytes:
        """The page as it is now, also where no snapshot was taken yet; while no thread adds to it."""
        if self._last_kept is not None:
            seen = self._last_kept
            return document(_colored(self._store.data(self._title, seen.found, seen.judged.open), seen.scene))
        if self._newest is not None:
            return document(data_of(self._title, self._newest))
        return document(PageData(self._title, (), (), ()))


def data_of(title: str, seen: Seen) -> PageData:
    """What the page shows of one snapshot, and of what memory holds of those before."""
    store = PageStore()
    store.add(seen.scene)
    return _colored(store.data(title, seen.found, seen.judged.open), seen.scene)


def _colored(data: PageData, scene: Scene) -> PageData:
    """In the colours of its pictures."""
    return replace(data, colors=signed_table(scene.style.colormap)[: 2 * STEPS + 1])
