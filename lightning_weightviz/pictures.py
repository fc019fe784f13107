"""The pictures of a run: of each snapshot those that are worth it, at the end the rest, and the page; on one thread."""

from __future__ import annotations

from dataclasses import replace

from lightning_weightviz.artifacts import Animation, Artifact, Image, Page
from lightning_weightviz.findings.support.engine import scalars
from lightning_weightviz.findings.support.telling import text
from lightning_weightviz.report import Report, Seen
from lightning_weightviz.run.threads import Spent
from lightning_weightviz.settings import Settings
from lightning_weightviz.views import VIEWS
from lightning_weightviz.views.support.render import Rendered, render
from lightning_weightviz.views.support.worth import Worth


class Pictures:
    """Draws the snapshots of a run; give it each in the order of time.

    Args:
        settings: The user's.
        report: The run's page.
        spent: Is told of the processor time of threads besides this one.
    """

    def __init__(self, settings: Settings, report: Report, spent: Spent) -> None:
        self._settings = settings
        self._report = report
        self._spent = spent
        # Of the newest snapshot.
        self._worth, self._tags = Worth(), frozenset[str]()

    def draw(self, seen: Seen, share: float, *extra: Artifact) -> Rendered:
        """A snapshot, with as many of its pictures as may be drawn, numbers, and what was found if that is new.

        Args:
            seen: The snapshot.
            share: Of its pictures, from 0 to 1.
            *extra: What else goes with it.
        """
        scene, all_views = self._worth.choose(seen.scene, share), seen.scene.snapshot.is_milestone
        views = [name for name in self._settings.views if all_views or not VIEWS[name].over_time]
        if not scene.draws:
            views = [name for name in views if VIEWS[name].numbers]
        found = [text(seen.judged, seen.found)] if seen.judged.begun or seen.judged.ended else []
        more = [*scalars(seen.judged), *extra, *found]
        rendered = render(scene, views, prefix=self._settings.prefix, extra=more, spent=self._spent)
        self._tags = frozenset(one.tag for one in rendered.batch.artifacts if isinstance(one, Image))
        if self._report.is_kept:
            self._report.add(seen)
            if all_views and share:
                self._report.write()
        return rendered

    def draw_rest(self, seen: Seen) -> Rendered:
        """What was found, what is not drawn yet of the last snapshot, and the page."""
        scene = replace(seen.scene, last=True, unchanged=self._worth.drawn)
        complete = self._tags and not self._worth.left_out
        views = [name for name in self._settings.views if VIEWS[name].over_time or VIEWS[name].at_end or not complete]
        # The numbers are logged already, and so are those pictures.
        prefix, drawn = self._settings.prefix, self._tags
        rendered = render(
            scene,
            views,
            prefix=prefix,
            spent=self._spent,
            extra=[text(seen.judged, seen.found)],
            keep=lambda one: isinstance(one, Animation) or (isinstance(one, Image) and prefix + one.tag not in drawn),
        )
        if self._report.is_kept and self._settings.needs_spectra:
            self._report.renew(seen.scene)
        page = self._report.write() if self._report.is_kept else None
        if page is None:
            return rendered
        artifacts = [*rendered.batch.artifacts, Page(self._report.tag, page)]
        return replace(rendered, batch=replace(rendered.batch, artifacts=artifacts))
