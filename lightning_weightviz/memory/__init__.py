"""What is kept from snapshot to snapshot, in bounded space: colour ranges, films and curves. Numpy only."""

from lightning_weightviz.memory.color_range import ColorRange, range_for
from lightning_weightviz.memory.curves import FEW, OVERVIEW_STATISTICS
from lightning_weightviz.memory.film import FRAME_CELLS, Frame, filmed, frame_of, worth_a_look
from lightning_weightviz.memory.history import History, Memory
from lightning_weightviz.memory.keys import extra_key, film_key, key_of, statistics_key, templates_key
from lightning_weightviz.memory.maps import change_map, extra_maps
from lightning_weightviz.memory.metrics import is_accuracy, is_loss
from lightning_weightviz.memory.record import RECENT, RECORDED, Past, past_of
from lightning_weightviz.memory.spectra import LARGEST, SpectralPoint, point_of, with_newest

__all__ = [
    "FEW",
    "FRAME_CELLS",
    "LARGEST",
    "OVERVIEW_STATISTICS",
    "RECENT",
    "RECORDED",
    "ColorRange",
    "Frame",
    "History",
    "Memory",
    "Past",
    "SpectralPoint",
    "change_map",
    "extra_key",
    "extra_maps",
    "film_key",
    "filmed",
    "frame_of",
    "is_accuracy",
    "is_loss",
    "key_of",
    "past_of",
    "point_of",
    "range_for",
    "statistics_key",
    "templates_key",
    "with_newest",
    "worth_a_look",
]
