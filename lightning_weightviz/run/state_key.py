"""Under which key a callback's state is in a checkpoint: its arguments tell it from its like, then its order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import Field, fields
from typing import Any, ClassVar, Protocol

_SERIALS = itertools.count()


class _Arguments(Protocol):
    """Any dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


class StateKey:
    """The key of one callback.

    Args:
        written: Makes a key of arguments, as Lightning writes it.
        arguments: Those of the callback.
        usual: Those that a user who names none gets; what is equal to them is not in the key, so that a later
            version's new arguments leave the keys as they are.

    Attributes:
        of_arguments: The key of a callback that has no like among its Trainer's.
    """

    def __init__(self, written: Callable[..., str], arguments: _Arguments, usual: _Arguments) -> None:
        given, default = (
            {one.name: _plain(getattr(these, one.name)) for one in fields(these)} for these in (arguments, usual)
        )
        self.of_arguments = written(**{name: value for name, value in given.items() if value != default[name]})
        self._order: int | None = None
        self._serial: int | None = None

    def __str__(self) -> str:
        if self._order is None:
            # The Trainer asks before it can tell the order, to see that all keys differ.
            self._serial = next(_SERIALS) if self._serial is None else self._serial
            return f"{self.of_arguments}#new{self._serial}"
        return f"{self.of_arguments}#{self._order}" if self._order else self.of_arguments

    def place_among(self, keys: Iterable[StateKey]) -> None:
        """Learns its order among the keys of a Trainer's callbacks; itself is one of them."""
        alike = [key for key in keys if key.of_arguments == self.of_arguments]
        self._order = next((order for order, key in enumerate(alike) if key is self), 0)

    def __getstate__(self) -> dict[str, Any]:
        """A copy is another callback."""
        return {**vars(self), "_serial": None}


def _plain(value: Any) -> Any:
    """An argument as a key can hold it: objects by their class, as an address is another one in each process."""
    if isinstance(value, (list, tuple)):
        return tuple(_plain(one) for one in value)
    return value if isinstance(value, (str, int, float, type(None))) else type(value).__name__
