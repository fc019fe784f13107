"""What is kept from snapshot to snapshot, in bounded space: colour ranges, films and curves. Numpy only."""

from lightning_weightviz.memory.color_range import ColorRange, range_for
from lightning_weightviz.memory.curves import (
    FEW,
    OVERVIEW_STATISTICS,
    Statistics,
    Time,
    Timeline,
    merged,
    statistics_of,
)
from lightning_weightviz.memory.film import FRAME_CELLS, Frame, filmed, frame_of, keeps_frame, worth_a_look
from lightning_weightviz.memory.half import Half, half_of
from lightning_weightviz.memory.history import History, Memory
from lightning_weightviz.memory.keys import extra_key, film_key, key_of, statistics_key, templates_key
from lightning_weightviz.memory.maps import change_map, extra_maps
from lightning_weightviz.memory.metrics import is_accuracy, is_loss
from lightning_weightviz.memory.record import MEASURED, RECENT, RECORDED, Past, past_of
from lightning_weightviz.memory.spectra import LARGEST, SpectralPoint, point_of, with_newest

__all__ = [
    "FEW",
    "FRAME_CELLS",
    "LARGEST",
    "MEASURED",
    "OVERVIEW_STATISTICS",
    "RECENT",
    "RECORDED",
    "ColorRange",
    "Frame",
    "Half",
    "History",
    "Memory",
    "Past",
    "SpectralPoint",
    "Statistics",
    "Time",
    "Timeline",
    "change_map",
    "extra_key",
    "extra_maps",
    "film_key",
    "filmed",
    "frame_of",
    "half_of",
    "is_accuracy",
    "is_loss",
    "keeps_frame",
    "key_of",
    "merged",
    "past_of",
    "point_of",
    "range_for",
    "statistics_key",
    "statistics_of",
    "templates_key",
    "with_newest",
    "worth_a_look",
]
