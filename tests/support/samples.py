"""Batches to write, and ways to read back what became of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as PillowImage
from PIL import ImageSequence
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_weightviz.artifacts import Animation, Artifact, Batch, Histogram, Image, Page, Raster, Scalar, Text

PARAMETERS = ("fc1.weight", "fc2.weight")

ODD_NAMES = (
    "Fc1.weight",
    "T-shirt: blue",
    "T-shirt/top",
    "../../escape",
    "/etc/passwd",
    "..",
    "CON",
    "größe",
    "猫",
    "100 % <b>&amp;</b> 'quoted' \"twice\"",
    "new\nline",
    "caf\udce9",
    "x" * 300,
    "deep/" * 60 + "end",
    "tab\tbell\x07 escape\x1b[31m null\0",
    "\ud83d half of a pair",
    "x" * 5000,
    "step_00000003.png",
    "manifest.jsonl",
)
"""Parts of tags as users' class names and modules bring them; the last two are names of our own files."""


def picture(seed: int, height: int = 120, width: int = 720, colors: int = 200) -> npt.NDArray[np.uint8]:
    """uint8 (height, width, 3) with at most `colors` colours, no two seeds alike."""
    rng = np.random.default_rng(seed)
    table = rng.integers(0, 256, (colors, 3), dtype=np.uint8)
    return table[rng.integers(0, colors, (height, width))]


def histogram(tag: str, seed: int) -> Histogram:
    """Of 1,000 normal values, with empty bins at both ends and inside."""
    values = np.random.default_rng(seed).standard_normal(1000)
    edges = np.linspace(-8.0, 8.0, 65)
    counts = np.histogram(values, edges)[0]
    return Histogram(
        tag, edges, counts, float(values.min()), float(values.max()), float(values.sum()), float((values**2).sum())
    )


def batch(step: int = 899, epoch: int = 20, names: Sequence[str] = PARAMETERS) -> Batch:
    """A text, and each other kind of artifact for each name, values that differ from step to step and name to name."""
    artifacts: list[Artifact] = [Text("findings/weights", f"**note:** größe at step {step}.", "größe")]
    for number, name in enumerate(names):
        seed = 1000 * step + number
        frames = tuple(picture(seed + shift, 40, 60, 2) for shift in range(3))
        artifacts += [
            Image(f"weights.heatmap/{name}", Raster(picture(seed)), f"{name}, epoch {epoch}, step {step}"),
            Animation(f"weights.animation/{name}", frames, seconds=0.2),
            histogram(f"weights.histogram/{name}", seed),
            Scalar(f"weights.rms/{name}", 0.5 + seed / 7),
            Scalar(f"weights.std/{name}", -seed / 3),
        ]
    return Batch(step, epoch, artifacts)


def with_page(given: Batch) -> Batch:
    """A batch as the last of a run is, with its page."""
    page = Page("report/weights", f"<!doctype html>\n<title>größe at step {given.step}</title>\n".encode())
    return replace(given, artifacts=[*given.artifacts, page])


def decode(content: bytes) -> npt.NDArray[np.uint8]:
    """Pixels of a PNG, or of the first frame of a GIF, as RGB."""
    return np.asarray(PillowImage.open(io.BytesIO(content)).convert("RGB"))


def frame_count(content: bytes) -> int:
    """How many pictures a GIF shows."""
    picture = PillowImage.open(io.BytesIO(content))
    assert picture.format == "GIF"
    return sum(1 for _ in ImageSequence.Iterator(picture))


def read_events(folder: Path) -> EventAccumulator:
    """All events below a folder, none left out."""
    kinds = ("images", "histograms", "scalars", "tensors", "compressedHistograms")
    accumulator = EventAccumulator(str(folder), size_guidance=dict.fromkeys(kinds, 0))
    return accumulator.Reload()
