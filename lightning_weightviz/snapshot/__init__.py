"""What has left the device: frozen dataclasses of numpy arrays, which memory and views read."""

from lightning_weightviz.snapshot.class_head import ClassPairs, ClassRows
from lightning_weightviz.snapshot.measurement import PERCENTILES, Counts, Measurement, Picture, Rank
from lightning_weightviz.snapshot.moment import TOTAL, Snapshot, Target, is_milestone
from lightning_weightviz.snapshot.parameter import MAX_FILTER_VALUES, Kind, Layout, Parameter
from lightning_weightviz.snapshot.pooling import farthest, pool_extreme, pool_mean
from lightning_weightviz.snapshot.spectrum import Spectrum
from lightning_weightviz.snapshot.training_facts import OptimizerFacts, TrainingFacts

__all__ = [
    "MAX_FILTER_VALUES",
    "PERCENTILES",
    "TOTAL",
    "ClassPairs",
    "ClassRows",
    "Counts",
    "Kind",
    "Layout",
    "Measurement",
    "OptimizerFacts",
    "Parameter",
    "Picture",
    "Rank",
    "Snapshot",
    "Spectrum",
    "Target",
    "TrainingFacts",
    "farthest",
    "is_milestone",
    "pool_extreme",
    "pool_mean",
]
