"""What is read back of a page: each array as the browser reads it, coarse cells as they were kept."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest

from lightning_weightviz.page.document import document
from lightning_weightviz.page.earlier import _unspread
from lightning_weightviz.page.encode import Block, Note, decoded
from lightning_weightviz.page.gathering import _fitted
from lightning_weightviz.page.unpack import NoPageError, Unpacked, array_of, error_of
from tests.page import samples


def unpacked(block: Block) -> bytes:
    return zlib.decompress(base64.b64decode(block.text))


@pytest.mark.parametrize("rows", [5, 64, 65, 200])
@pytest.mark.parametrize("size", [1e-12, 1.0, 1e12])
def test_cells_are_those_that_a_reader_sees(rows: int, size: float) -> None:
    cells = (np.random.default_rng(rows).normal(size=(4, rows, 7)) * size).astype(np.float32)
    cells[1, 0], cells[2, 1, 3], cells[3, 1, 4] = np.nan, np.inf, -np.inf
    block = Block()
    block.numbers(np.arange(9.0))
    note = block.cells(cells, 3 * size)
    read = array_of(unpacked(block), note)
    finite = np.isfinite(cells)
    expected = decoded(np.where(finite, cells, 0), note)
    np.testing.assert_allclose(read[finite], expected[finite], rtol=1e-6)
    np.testing.assert_array_equal(read[~finite], cells[~finite])
    assert (np.abs(read - cells)[finite] <= 1.001 * error_of(note) + 2.0**-11 * np.abs(cells[finite])).all()


def test_numbers_keep_four_digits_and_what_is_none() -> None:
    curves = np.random.default_rng(0).normal(size=(3, 20)).astype(np.float32)
    curves[1, 4:7] = np.nan, np.inf, -np.inf
    block = Block()
    note = block.numbers(curves)
    np.testing.assert_allclose(array_of(unpacked(block), note), curves, rtol=2.0**-12)


def test_coarse_cells_are_those_that_were_spread() -> None:
    rng = np.random.default_rng(0)
    for few, many in [((3, 4), (10, 9)), ((1, 1), (5, 1)), ((7, 7), (7, 7)), ((72, 108), (256, 200))]:
        coarse = rng.normal(size=few).astype(np.float32)
        np.testing.assert_array_equal(_unspread(_fitted(coarse, *many), *few), coarse)


def test_a_page_is_read_and_another_thing_is_none() -> None:
    data, values = samples.digits(6)
    page = Unpacked(document(data))
    layer = next(one for one in page.facts["layers"] if one["name"] == "fc2.weight")
    note = layer["targets"]["weights"]["maps"][0]["cells"]
    np.testing.assert_allclose(
        array_of(page.block(layer["block"]), note), values["fc2.weight"], atol=1.01 * error_of(note) + 1e-3
    )
    with pytest.raises(NoPageError):
        page.block(999)
    short: Note = {**note, "shape": [10**6, 10**6]}
    with pytest.raises(NoPageError):
        array_of(page.block(layer["block"]), short)
    for other in (b"", b"<p>", b'<script type="application/json" id="data">[]</script>',
                  b'<script type="application/json" id="data">{</script>'):  # fmt: skip
        with pytest.raises(NoPageError):
            Unpacked(other)
