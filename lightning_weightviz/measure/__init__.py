"""What is measured of weights, on the device that holds them: true numbers, one copy, no synchronisation."""

from lightning_weightviz.measure.host.measurements import Measured
from lightning_weightviz.measure.inputs import HeadSource
from lightning_weightviz.measure.meter import Meter
from lightning_weightviz.measure.statistics import STATISTICS

__all__ = ["STATISTICS", "HeadSource", "Measured", "Meter"]
