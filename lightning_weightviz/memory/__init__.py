"""What is kept from snapshot to snapshot, in bounded space: colour ranges, films and curves. Numpy only."""

from lightning_weightviz.memory.color_range import ColorRange, range_for
from lightning_weightviz.memory.history import (
    FRAME_CELLS,
    OVERVIEW_STATISTICS,
    Frame,
    History,
    Memory,
    change_map,
    extra_key,
    extra_maps,
    film_key,
    filmed,
    frame_of,
    key_of,
    templates_key,
)

__all__ = [
    "FRAME_CELLS",
    "OVERVIEW_STATISTICS",
    "ColorRange",
    "Frame",
    "History",
    "Memory",
    "change_map",
    "extra_key",
    "extra_maps",
    "film_key",
    "filmed",
    "frame_of",
    "key_of",
    "range_for",
    "templates_key",
]
