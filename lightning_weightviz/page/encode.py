"""Arrays as one compressed block of text, each beside a note of how it is read again and how far it may be off.

Cells of maps are whole numbers of steps, ±`FINE` of them over the run, or float16 where they are few or one is far from
the rest. Both change little from frame to frame: what is kept is the difference, and zlib finds it small.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

Note = dict[str, Any]
"""How an array is read: its kind, where it begins, its shape, and what its numbers are multiplied by."""

FINE = 125
"""Steps on each side of 0: with the three codes below, all of a byte that can be told apart."""
NAN_CODE, PLUS_CODE, MINUS_CODE = 251, 252, 253
FEW_ROWS = 64
"""Up to here a map is kept in float16."""
FAR = 4
"""Where one cell is so many times R, steps of a byte are too wide for the rest."""
SHARES, UNKNOWN = 14, 15
"""Steps between an rms that is all of the extreme and one of a single value in its block; the code of none."""
KEPT_BITS = 12
"""Of the mantissa of curves: a relative error of 2⁻¹³, four digits."""


class Block:
    """Arrays one after the other, which are read together."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    @property
    def text(self) -> str:
        """All of them, through zlib, in base64."""
        return base64.b64encode(zlib.compress(b"".join(self._parts), 6)).decode("ascii")

    def cells(self, values: npt.NDArray[np.float32], limit: float, steps: int = FINE) -> Note:
        """Cells of a map over time, (F, rows, …), of range ±`limit`, in at most so many steps on each side."""
        finite = np.isfinite(values)
        top = float(np.abs(values[finite]).max()) if finite.any() else 0.0
        if values.shape[1] <= FEW_ROWS or top > FAR * limit:
            return self._halves(values, top)
        step = top / steps if top else 1.0
        codes = np.full(values.shape, NAN_CODE, np.uint8)
        codes[finite] = np.rint(values[finite] / np.float64(step)).astype(np.int16) + FINE
        codes[values == np.inf] = PLUS_CODE
        codes[values == -np.inf] = MINUS_CODE
        # Wraps at 256, as the reader's addition does.
        codes[1:] -= codes[:-1].copy()
        return self._add("steps", values.shape, codes.tobytes(), step=step)

    def _halves(self, values: npt.NDArray[np.float32], top: float) -> Note:
        # The largest is brought to the upper end, so that the smallest keep their digits.
        power = 14 - int(np.frexp(top)[1]) if top else 0
        halves = np.ldexp(values.astype(np.float64), power).astype(np.float16).view(np.uint16)
        halves[1:] ^= halves[:-1].copy()
        return self._add("halves", values.shape, _planes(halves), power=power)

    def shares(self, rms: npt.NDArray[np.float32], extremes: npt.NDArray[np.float64], block: float) -> Note:
        """The rms of cells of up to `block` values as a share of their extremes: steps of equal ratio, two a byte."""
        octaves = max(0.5 * np.log2(max(block, 1.0)), 0.25)
        with np.errstate(divide="ignore", invalid="ignore"):
            steps = np.nan_to_num(-np.log2(rms / np.abs(extremes)) * (SHARES / octaves), posinf=SHARES)
        codes = np.rint(np.clip(steps, 0, SHARES)).astype(np.uint8)
        codes[~np.isfinite(rms)] = UNKNOWN
        codes[1:] -= codes[:-1].copy()
        flat = np.append(codes.ravel() & 15, np.zeros(codes.size % 2, np.uint8))
        return self._add("shares", rms.shape, (flat[::2] << 4 | flat[1::2]).tobytes(), octaves=octaves)

    def numbers(self, values: npt.NDArray[Any]) -> Note:
        """Curves, (…, T), as float32 of four digits."""
        with np.errstate(over="ignore"):
            words = np.ascontiguousarray(values, np.float32).view(np.uint32)
        dropped = 23 - KEPT_BITS
        # What is not finite has no digits to round.
        rounded = (words + np.uint32(1 << (dropped - 1))) & np.uint32(0xFFFFFFFF << dropped & 0xFFFFFFFF)
        words = np.where((words & 0x7F800000) == 0x7F800000, words, rounded)
        words[..., 1:] ^= words[..., :-1].copy()
        return self._add("numbers", values.shape, _planes(words))

    def _add(self, kind: str, shape: tuple[int, ...], data: bytes, **facts: float) -> Note:
        note: Note = {"kind": kind, "at": self._length, "shape": list(shape), **facts}
        self._parts.append(data)
        self._length += len(data)
        return note


def decoded(values: npt.NDArray[np.float32], note: Note) -> npt.NDArray[np.float64]:
    """What a reader gets of cells: each the nearest number that its note can say."""
    if note["kind"] == "halves":
        scaled = np.ldexp(values.astype(np.float64), note["power"]).astype(np.float16).astype(np.float64)
        return np.asarray(np.ldexp(scaled, -note["power"]), np.float64)
    return np.asarray(np.rint(values / np.float64(note["step"])) * note["step"], np.float64)


def _planes(words: npt.NDArray[Any]) -> bytes:
    """All first bytes, then all second ones: alike bytes side by side."""
    size = words.dtype.itemsize
    return words.astype(words.dtype.newbyteorder("<")).view(np.uint8).reshape(-1, size).T.tobytes()
