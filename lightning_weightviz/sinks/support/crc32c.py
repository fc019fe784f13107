"""The checksum of event files, which TensorBoard takes byte by byte in Python: a fifth of a second a mebibyte.

A snapshot's pictures are a mebibyte, and whoever flushes the writer, as Lightning does after each metric, waits for it.
Here numpy adds long stretches of the data to later ones, which leaves the checksum as it is, until little is left.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

SHORTEST = 8192
"""Shorter records go TensorBoard's way, which is fast enough there."""
_FEW = 256
"""So few bytes are taken one by one."""

_POLYNOMIAL = 0x82F63B78
_SHIFTS = 5685 - 1362, 5685 - 426, 5685
"""By how much data can be moved on: x^5685 = x^1362 + x^426 + 1 modulo the polynomial, and the same of x^8, x^64, …"""
_UNITS = 8, 1
"""In bytes, from coarse to fine."""
_MASK_DELTA = 0xA282EAD8


class RecordWriter:
    """Writes records as TensorBoard's own class of this name, long ones with a quick checksum.

    Args:
        slow: TensorBoard's.
    """

    def __init__(self, slow: Any) -> None:
        self._slow = slow

    def write(self, data: bytes) -> None:
        """Writes length, checksum of the length, data and checksum of the data."""
        if len(data) < SHORTEST:
            self._slow.write(data)
            return
        length = struct.pack("<Q", len(data))
        frame = (length, struct.pack("<I", masked_crc32c(length)), data, struct.pack("<I", masked_crc32c(data)))
        self._slow._writer.write(b"".join(frame))

    def flush(self) -> None:
        """Brings what was written to the file."""
        self._slow.flush()

    def close(self) -> None:
        """Closes the file."""
        self._slow.close()

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return bool(self._slow.closed)


def quicken(event_writer: Any) -> None:
    """Gives TensorBoard's ``EventFileWriter`` a quick `RecordWriter`; leaves alone what is built in another way."""
    worker: Any = getattr(getattr(event_writer, "_async_writer", None), "_worker", None)
    slow = getattr(worker, "_record_writer", None)
    if type(slow).__module__ == "tensorboard.summary.writer.record_writer" and "_writer" in vars(slow):
        # The writer's thread reads it anew for each record, and setting an attribute is atomic.
        worker._record_writer = RecordWriter(slow)


def masked_crc32c(data: bytes) -> int:
    """The checksum as records hold it: rotated and moved, as a checksum of data that holds checksums is weak."""
    checksum = crc32c(data)
    return ((checksum >> 15 | checksum << 17) + _MASK_DELTA) & 0xFFFFFFFF


def crc32c(data: bytes) -> int:
    """CRC-32C, RFC 3720 appendix B.4.

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    if len(data) < _FEW:
        return _short(data)
    content = np.frombuffer(bytearray(data), np.uint8)
    # The register's start value can be put into the data.
    content[:4] ^= 0xFF
    for unit in _UNITS:
        content = _folded(content, unit)
    bits = np.unpackbits(content, bitorder="little").view(np.bool_)
    return int(np.bitwise_xor.reduce(_powers()[-len(bits) :][bits])) ^ 0xFFFFFFFF


def _folded(content: Bytes, unit: int) -> Bytes:
    """The end of the data, after the rest was added to it: its checksum is that of all. The data is written over."""
    gap, *_, reach = (unit * shift for shift in _SHIFTS)
    first, last = 0, len(content) - reach
    while first < last:
        # So long that no part of it is added to another.
        length = min(gap, last - first)
        for shift in _SHIFTS:
            content[first + unit * shift :][:length] ^= content[first : first + length]
        first += length
    return content[first:]


def _short(data: bytes) -> int:
    table, state = _table(), 0xFFFFFFFF
    for byte in data:
        state = table[(state ^ byte) & 0xFF] ^ (state >> 8)
    return state ^ 0xFFFFFFFF


@lru_cache(maxsize=1)
def _table() -> list[int]:
    """What each byte makes of a register of 0."""
    table = list(range(256))
    for _ in range(8):
        table = [_next(state) for state in table]
    return table


@lru_cache(maxsize=1)
def _powers() -> npt.NDArray[np.uint32]:
    """The checksum of each bit by itself, of as many bits as are ever left, the last of them last."""
    powers = [_POLYNOMIAL]
    while len(powers) < 8 * _SHIFTS[-1]:
        powers.append(_next(powers[-1]))
    return np.array(powers[::-1], np.uint32)


def _next(state: int) -> int:
    """The register moved on by one bit."""
    return state >> 1 ^ (_POLYNOMIAL if state & 1 else 0)
