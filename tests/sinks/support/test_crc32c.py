"""The quick checksum is TensorBoard's own, and what is written with it is read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow
from torch.utils.tensorboard import SummaryWriter

from lightning_weightviz.artifacts import Batch, Image, Raster
from lightning_weightviz.sinks.support.crc32c import SHORTEST, RecordWriter, masked_crc32c
from lightning_weightviz.sinks.tensorboard import SummaryWriterSink
from tests.support.samples import decode, read_events


@given(st.binary(max_size=2000))
@settings(deadline=None)
def test_it_is_tensorboards_checksum(data: bytes) -> None:
    assert masked_crc32c(data) == pywrap_tensorflow.masked_crc32c(data)


# Where a long way begins, and where one, two and many stretches are moved, in each unit.
LENGTHS = [255, 256, 257, 5685, 5686, 10_008, 10_009, 45_480, 45_481, 65_536, 80_064, 80_065, 400_003]


@pytest.mark.parametrize("length", LENGTHS)
def test_at_the_ends_of_stretches(length: int) -> None:
    data = np.random.default_rng(length).integers(0, 256, length, np.uint8).tobytes()
    assert masked_crc32c(data) == pywrap_tensorflow.masked_crc32c(data)


def test_long_records_are_read_back(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 720, 3), np.uint8)
    writer = SummaryWriter(str(tmp_path))
    sink = SummaryWriterSink(writer, tmp_path)
    for step in range(3):
        sink.write(Batch(step, step, [Image("picture", Raster(noise))]))
        writer.add_scalar("own", float(step), step)
    writer.close()
    assert len(Image("picture", Raster(noise)).png) > SHORTEST
    read: EventAccumulator = read_events(tmp_path)
    assert [event.step for event in read.Images("picture")] == [0, 1, 2]
    assert [event.step for event in read.Scalars("own")] == [0, 1, 2]
    assert (decode(read.Images("picture")[2].encoded_image_string) == noise).all()


def test_torchs_writer_gets_it_once(tmp_path: Path) -> None:
    writer = SummaryWriter(str(tmp_path))
    sink = SummaryWriterSink(writer, tmp_path)
    for step in range(2):
        sink.write(Batch(step, step, [Image("picture", Raster(np.zeros((4, 4, 3), np.uint8)))]))
    # If a new TensorBoard is built in another way, this fails, and the slow checksum is back.
    given_writer = writer._get_file_writer().event_writer._async_writer._worker._record_writer
    assert isinstance(given_writer, RecordWriter)
    assert not isinstance(given_writer._slow, RecordWriter)
    writer.close()
