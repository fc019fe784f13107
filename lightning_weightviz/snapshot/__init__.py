"""What has left the device: frozen dataclasses of numpy arrays, which memory and views read."""

from lightning_weightviz.snapshot.measurement import (
    MAX_FILTER_VALUES,
    PERCENTILES,
    TOTAL,
    Counts,
    Head,
    Kind,
    Layout,
    Measurement,
    Parameter,
    Picture,
    Rank,
    Snapshot,
    Target,
    pool_extreme,
    pool_mean,
)

__all__ = [
    "MAX_FILTER_VALUES",
    "PERCENTILES",
    "TOTAL",
    "Counts",
    "Head",
    "Kind",
    "Layout",
    "Measurement",
    "Parameter",
    "Picture",
    "Rank",
    "Snapshot",
    "Target",
    "pool_extreme",
    "pool_mean",
]
