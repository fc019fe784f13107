"""A page's file back to names and arrays, as `encode` and `document` wrote them."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_weightviz.page.describe import FORMAT, Json
from lightning_weightviz.page.encode import FINE, MINUS_CODE, NAN_CODE, PLUS_CODE, Note

_ELEMENT = re.compile(
    rb'<script type="(?:application/json|text/plain)" id="(data|block-\d+)">(.*?)</script>', re.DOTALL
)


class NoPageError(Exception):
    """What was read is no page of this version."""


class Unpacked:
    """The run on a page.

    Args:
        page: Its HTML.

    Attributes:
        facts: As `describe.described` gives them.

    Raises:
        NoPageError: It is none.
    """

    def __init__(self, page: bytes) -> None:
        elements = dict(_ELEMENT.findall(page))
        try:
            self.facts: Json = json.loads(elements[b"data"])
            known = self.facts["format"] == FORMAT
        except (KeyError, TypeError, ValueError) as error:
            raise NoPageError from error
        if not known:
            raise NoPageError
        self._elements = elements

    def block(self, place: int) -> bytes:
        """One block.

        Raises:
            NoPageError: It is not there, or cut off.
        """
        try:
            return zlib.decompress(base64.b64decode(self._elements[f"block-{place}".encode()], validate=True))
        except (KeyError, binascii.Error, zlib.error) as error:
            raise NoPageError from error


def array_of(block: bytes, note: Note) -> npt.NDArray[np.float32]:
    """One array of a block, of the kinds ``steps``, ``halves`` and ``numbers``; as a reader sees it.

    Raises:
        NoPageError: The block is too short.
    """
    shape, kind = tuple(note["shape"]), note["kind"]
    size = int(np.prod(shape, dtype=np.int64))
    width = {"steps": 1, "halves": 2, "numbers": 4}[kind]
    data = np.frombuffer(block, np.uint8)[note["at"] : note["at"] + width * size]
    if len(data) != width * size:
        raise NoPageError
    if kind == "steps":
        codes = np.cumsum(data.reshape(shape), axis=0, dtype=np.uint8)
        values = (codes.astype(np.float64) - FINE) * note["step"]
        for code, value in ((NAN_CODE, np.nan), (PLUS_CODE, np.inf), (MINUS_CODE, -np.inf)):
            values[codes == code] = value
        return np.asarray(values, np.float32)
    planes = np.ascontiguousarray(data.reshape(width, size).T)
    if kind == "halves":
        halves = np.bitwise_xor.accumulate(planes.view("<u2").reshape(shape), axis=0).view(np.float16)
        return np.asarray(np.ldexp(halves.astype(np.float64), -note["power"]), np.float32)
    numbers: npt.NDArray[Any] = np.bitwise_xor.accumulate(planes.view("<u4").reshape(shape), axis=-1)
    return np.asarray(numbers.view(np.float32), np.float32)


def error_of(note: Note) -> float:
    """How far a cell may be off, beside its share of 1/2048."""
    return float(0.5 * note["step"] if note["kind"] == "steps" else 2.0 ** -(25 + note["power"]))
