"""What whole and spread parameters have in common when they are measured: a meter for each target, and its memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from lightning_weightviz.measure import Meter, SpreadMeter
from lightning_weightviz.model.copies import Copies
from lightning_weightviz.model.gradients import Gradients
from lightning_weightviz.snapshot import Parameter, Target

AnyMeter = TypeVar("AnyMeter", Meter, SpreadMeter)
Values = TypeVar("Values")


class Meters(Generic[AnyMeter, Values]):
    """The meters of some parameters, by target.

    Args:
        parameters: What each is.
        targets: What is measured of them.
        make: Makes a meter of some parameters.

    Attributes:
        gradients: What was kept of them for the next snapshot.
    """

    def __init__(
        self,
        parameters: Sequence[Parameter],
        targets: Sequence[Target],
        make: Callable[[Sequence[Parameter]], AnyMeter],
    ) -> None:
        self._parameters = tuple(parameters)
        self._make: Callable[[Sequence[Parameter]], AnyMeter] = make
        self._meters: dict[Target, AnyMeter] = {target: make(parameters) for target in targets}
        self._with_gradient = list(range(len(parameters)))
        self.gradients = Gradients()
        self._copies, self._spare = Copies(), Copies()
        self._previous: list[Values] | None = None

    def _meter_of_gradients(self, places: list[int]) -> AnyMeter:
        """A meter of just those parameters that have a gradient, with what is known of them."""
        if places != self._with_gradient:
            meter = self._make([self._parameters[index] for index in places])
            meter.load_state_dict(self._meters["gradients"].state_dict())
            self._meters["gradients"], self._with_gradient = meter, places
        return self._meters["gradients"]

    def take_over(self, before: Meters[Any, Any]) -> None:
        """Goes on with what was known of the parameters that stay."""
        self.load_state_dict(before.state_dict())
        self.gradients = before.gradients

    def forget_step(self) -> None:
        """Lets go what was kept and seen of the last optimizer step for the next snapshot."""
        self.gradients.forget()
        for meter in self._meters.values():
            meter.forget_steps()

    def rest(self) -> None:
        """Frees the buffers kept between snapshots; updates start anew."""
        self._copies, self._spare, self._previous = Copies(), Copies(), None

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs, by target: of whole parameters, the same on all ranks."""
        return {target: meter.state_dict() for target, meter in self._meters.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken, on any number of ranks."""
        for target, meter in self._meters.items():
            if target in state:
                meter.load_state_dict(state[target])
