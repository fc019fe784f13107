"""What is measured of a model's parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lightning_weightviz.measure import Meter, SpreadMeter
from lightning_weightviz.snapshot import Parameter, Target


@dataclass(frozen=True)
class Measuring:
    """What is measured.

    Attributes:
        targets: Of which tensors.
        image_size: Most cells per axis of a picture.
        statistics: Those that are read; None: all.
        means: Whether pictures hold means too, from which changes are told.
        fused: Whether kernels of our own measure where they can; see `Meter`.
        background: Whether weights on the host are copied, and measured when the result is asked for.
    """

    targets: tuple[Target, ...] = ("weights",)
    image_size: int = 256
    statistics: tuple[str, ...] | None = None
    means: bool = False
    fused: bool = False
    background: bool = True

    def meter(self, parameters: Sequence[Parameter]) -> Meter:
        """A meter of these parameters."""
        return Meter(
            parameters,
            image_size=self.image_size,
            statistics=self.statistics,
            means=self.means,
            fused=self.fused,
        )

    def spread_meter(self, parameters: Sequence[Parameter]) -> SpreadMeter:
        """The same where they are spread over ranks."""
        return SpreadMeter(parameters, image_size=self.image_size, statistics=self.statistics, means=self.means)
