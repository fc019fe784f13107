"""Angles as readers see them: in degrees, which the statistic ``rotation`` is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_weightviz.draw.number import number


def degrees(rotation: npt.NDArray[Any] | float) -> npt.NDArray[np.float64]:
    """The angle whose cosine is 1 − `rotation`.

    >>> degrees(0.5).round(6).tolist()
    60.0
    """
    return np.asarray(np.degrees(np.arccos(np.clip(1.0 - rotation, -1.0, 1.0))))


def degree_text(angle: float) -> str:
    """An angle, short.

    >>> degree_text(12.34), degree_text(0.0), degree_text(1e-5)
    ('12°', '0°', '<0.01°')
    """
    return "<0.01°" if 0 < angle < 0.01 else f"{number(angle, digits=2)}°"
