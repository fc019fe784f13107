"""One way to register and discover views, statistics, rules and sinks."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, ItemsView, Iterator, Mapping
from typing import Any, TypeVar

Member = TypeVar("Member")

SUPPORT = "support"
"""The folder beside a registry's members whose files are none."""


class Registry(Mapping[str, Member]):
    """Members of one kind by name, in the order in which they were registered.

    Args:
        kind: What a member is called in errors, for instance ``view``.
        package: Name of a package all of whose modules and folders, but for `SUPPORT`, register members when they
            are imported; they are when the registry is first read. None: members register themselves.

    Example:
        >>> colours = Registry[int]("colour")
        >>> def red(): ...
        >>> colours.add("red", 0xFF0000, red)
        >>> dict(colours)
        {'red': 16711680}
        >>> def crimson(): ...
        >>> colours.add("red", 0xDC143C, crimson)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ValueError: there is a colour called 'red' already, made by ...red; choose another name
    """

    def __init__(self, kind: str, package: str | None = None) -> None:
        self._kind = kind
        self._package = package
        self._members: dict[str, Member] = {}
        self._origins: dict[str, str] = {}

    def add(self, name: str, member: Member, origin: Callable[..., Any]) -> None:
        """Registers a member.

        Args:
            name: The word that users write and tags carry.
            member: What the registry gives for it.
            origin: The function or class that was decorated. The same one may come again, as when a cell of a notebook
                is run twice.

        Raises:
            ValueError: Another one has this name.
        """
        made_by = f"{origin.__module__}.{origin.__qualname__}"
        if self._origins.setdefault(name, made_by) != made_by:
            raise ValueError(
                f"there is a {self._kind} called {name!r} already, made by {self._origins[name]}; choose another name"
            )
        self._members[name] = member

    def __getitem__(self, name: str) -> Member:
        """The member of that name."""
        self._discover()
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        """The names."""
        self._discover()
        return iter(self._members)

    def items(self) -> ItemsView[str, Member]:
        """Names and members; at once, as that of `Mapping` asks for each."""
        self._discover()
        return self._members.items()

    def __len__(self) -> int:
        """How many there are."""
        self._discover()
        return len(self._members)

    def _discover(self) -> None:
        package, self._package = self._package, None
        if package is not None:
            for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
                if module.name != SUPPORT:
                    importlib.import_module(f"{package}.{module.name}")
