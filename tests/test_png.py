"""PNG: what Pillow reads is what was given, and strict readers find nothing wrong."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lightning_weightviz import png
from lightning_weightviz.png import encode


def read(content: bytes) -> Image.Image:
    """Checked chunk by chunk, then opened."""
    Image.open(io.BytesIO(content)).verify()
    return Image.open(io.BytesIO(content))


@pytest.fixture(params=["isal", "zlib"])
def _compressor(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways, as processors without wheels have zlib alone."""
    if request.param == "zlib":
        monkeypatch.setattr(png, "deflate", zlib)
    else:
        pytest.importorskip("isal", reason="isal has no wheels for this processor")


@pytest.mark.usefixtures("_compressor")
@pytest.mark.parametrize("shape", [(1, 1), (1, 720), (720, 1), (37, 53), (1500, 720)])
def test_every_pixel_comes_back(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(sum(shape))
    palette = rng.integers(0, 256, (256, 3), np.uint8)
    values = rng.integers(0, 256, shape).astype(np.uint8)
    picture = read(encode(values, palette))
    assert picture.mode == "P" and np.array_equal(np.asarray(picture), values)
    assert np.array_equal(np.asarray(picture.convert("RGB")), palette[values])
    colors = rng.integers(0, 256, (*shape, 3), np.uint8)
    picture = read(encode(colors))
    assert picture.mode == "RGB" and np.array_equal(np.asarray(picture), colors)


def test_parts_of_larger_pictures_are_encoded_as_they_lie() -> None:
    canvas = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    for part in (canvas[5:40], canvas[5:40, 7:60], canvas[::-1, ::2]):
        assert np.array_equal(np.asarray(read(encode(part))), part)


@pytest.mark.usefixtures("_compressor")
def test_enlarged_cells_take_no_more_than_a_tenth_beyond_pillows_bytes() -> None:
    rng = np.random.default_rng(1)
    palette = rng.integers(0, 256, (200, 3), np.uint8)
    cells = np.rint(np.clip(rng.normal(100, 30, (128, 170)), 0, 199)).astype(np.uint8)
    values = cells.repeat(4, axis=0).repeat(4, axis=1)
    theirs = io.BytesIO()
    picture = Image.fromarray(values)
    picture.putpalette(palette.tobytes())
    picture.save(theirs, format="PNG", compress_level=2)
    assert len(encode(values, palette)) <= 1.1 * len(theirs.getvalue())


def test_the_checksum_of_each_chunk_is_held() -> None:
    content = bytearray(encode(np.zeros((4, 4, 3), np.uint8)))
    content[content.index(b"IDAT") + 6] ^= 1
    with pytest.raises((SyntaxError, OSError)):
        read(bytes(content))


@pytest.mark.parametrize(
    ("values", "palette"),
    [
        (np.zeros((4, 5), np.uint8), None),
        (np.zeros((4, 5, 3), np.uint8), np.zeros((2, 3), np.uint8)),
        (np.zeros((4, 5, 4), np.uint8), None),
        (np.zeros((4, 5, 3), np.float32), None),
        (np.zeros((0, 5, 3), np.uint8), None),
        (np.zeros((4, 0), np.uint8), np.zeros((2, 3), np.uint8)),
    ],
)
def test_what_is_no_picture_is_refused(values: Any, palette: Any) -> None:
    with pytest.raises(ValueError, match="a picture takes uint8 values") as caught:
        encode(values, palette)
    assert f"not {values.dtype} of {values.shape}" in str(caught.value)
