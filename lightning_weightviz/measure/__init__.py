"""What is measured of weights, on the device that holds them: true numbers, one copy, no synchronisation."""

from lightning_weightviz.measure.host.measurements import Measured
from lightning_weightviz.measure.inputs import HeadSource
from lightning_weightviz.measure.meter import Meter
from lightning_weightviz.measure.parts import Part, Split, Spread, box, cut_axes, stretch
from lightning_weightviz.measure.rounds import Fields, Rounds, Sheet
from lightning_weightviz.measure.spread_meter import SpreadMeter
from lightning_weightviz.measure.spread_rounds import FailedElsewhereError, SpreadRounds
from lightning_weightviz.measure.statistics import STATISTICS

__all__ = [
    "STATISTICS",
    "FailedElsewhereError",
    "Fields",
    "HeadSource",
    "Measured",
    "Meter",
    "Part",
    "Rounds",
    "Sheet",
    "Split",
    "Spread",
    "SpreadMeter",
    "SpreadRounds",
    "box",
    "cut_axes",
    "stretch",
]
