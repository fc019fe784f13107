"""Reads the layers of the classes and tells of what cannot be read."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Mapping, Sequence

from lightning_weightviz.measure import HeadSource
from lightning_weightviz.model.class_head import HeadSite, head_source
from lightning_weightviz.run.errors import ArgumentError


class UnreadableError(Exception):
    """Some parameters cannot be read and are to be left out.

    Attributes:
        reasons: By name.
    """

    def __init__(self, reasons: Mapping[str, str]) -> None:
        super().__init__(", ".join(reasons))
        self.reasons = dict(reasons)


class HeadReader:
    """Reads the layers of the classes, as they are at a moment.

    Args:
        sites: Where they are.
        names_of: Gives the names of the classes of one.
        told: Names of those that were told of as failing; is added to.
    """

    def __init__(
        self,
        sites: Sequence[HeadSite],
        names_of: Callable[[HeadSite], Sequence[str] | None],
        told: set[str],
    ) -> None:
        self._names_of = names_of
        self._told = told
        self.sites = sites
        self.sources: dict[str, HeadSource] = {}
        self.failed: dict[str, str] = {}

    def read(self) -> None:
        """Puts into `sources` what can be read, by name, and into `failed` why others cannot."""
        for site in self.sites:
            try:
                source = head_source(site, self._names_of(site))
            except ArgumentError:
                raise
            except Exception as error:
                self.failed[site.name] = f"{type(error).__name__}: {error}"
            else:
                self.sources |= {} if source is None else {site.name: source}

    def without(self, failed: Collection[str]) -> list[HeadSource]:
        """The sources of the others, after a warning, once each, of those that failed on any rank."""
        for name in failed:
            self._tell(name, f"reading them raised {self.failed.get(name, 'an error on another rank')}")
        return [source for name, source in self.sources.items() if name not in failed]

    def leave_out(self, name: str, reason: str) -> None:
        """Leaves one out, with a warning the first time."""
        self.sources.pop(name, None)
        self._tell(name, reason)

    def _tell(self, name: str, reason: str) -> None:
        if name not in self._told:
            self._told.add(name)
            warnings.warn(f"the classes of {name} are not shown, as {reason}", stacklevel=2)


def reason_of(error: Exception) -> str:
    """Why a parameter is left out that raised this when it was read."""
    return f"reading it raised {type(error).__name__}: {error}"
