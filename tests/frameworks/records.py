"""What a process of these tests saw and wrote, as JSON for the test that started it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from tensorboard.backend.event_processing.event_accumulator import STORE_EVERYTHING_SIZE_GUIDANCE, EventAccumulator

# TensorBoard's reader does without TensorFlow where this can be imported: beside Lightning it would end the process.
sys.modules.setdefault("tensorboard.compat.notf", ModuleType("tensorboard.compat.notf"))


def events(folder: str | Path) -> dict[str, Any]:
    """An event folder: scalars as [step, value], steps, widths and digests of pictures, by tag."""
    found = EventAccumulator(str(folder), size_guidance=STORE_EVERYTHING_SIZE_GUIDANCE)
    found.Reload()
    tags = found.Tags()
    pictures = {tag: found.Images(tag) for tag in tags["images"]}
    return {
        "scalars": {tag: [[one.step, one.value] for one in found.Scalars(tag)] for tag in tags["scalars"]},
        "images": {tag: [one.step for one in these] for tag, these in pictures.items()},
        "histograms": {tag: [one.step for one in found.Histograms(tag)] for tag in tags["histograms"]},
        "widths": {
            tag: [PillowImage.open(io.BytesIO(one.encoded_image_string)).width for one in these]
            for tag, these in pictures.items()
        },
        "digests": {
            tag: [sha256(one.encoded_image_string).hexdigest() for one in these] for tag, these in pictures.items()
        },
    }


def files(folder: str | Path) -> dict[str, Any]:
    """A folder of files: scalars as [step, value] by tag, and the pictures' names."""
    root = Path(folder, "weightviz")
    scalars: dict[str, list[Any]] = {}
    if (root / "scalars.jsonl").is_file():
        for line in (root / "scalars.jsonl").read_text().splitlines():
            record = json.loads(line)
            for tag, value in record["values"].items():
                scalars.setdefault(tag, []).append([record["step"], value])
    return {"scalars": scalars, "images": sorted(str(path.relative_to(root)) for path in root.rglob("*.png"))}


def steps(log: Mapping[str, Any], tag: str) -> list[int]:
    """Of a scalar."""
    return [step for step, _ in log["scalars"][tag]]


def values(log: Mapping[str, Any], tag: str) -> list[float]:
    """Of a scalar, in the order of its steps."""
    return [value for _, value in log["scalars"][tag]]


def after_ctrl_c(done: subprocess.CompletedProcess[str], folder: Path) -> dict[str, Any]:
    """The results of a program that ended as Python ends where nobody catches Ctrl-C, and the events it left behind."""
    assert done.returncode != 0 and done.stderr.rstrip().endswith("KeyboardInterrupt"), done.stdout + done.stderr
    assert "failed with" not in done.stderr, done.stderr
    found: dict[str, Any] = json.loads((folder / "results.json").read_text())
    return found | {"ended": events(folder / "ended")}


def program(document: str, text: str) -> str:
    """The Python program of a document that holds a text."""
    root = Path(__file__).parent.parent.parent
    blocks = re.findall(r"^```python\n(.*?)^```", (root / document).read_text(), re.MULTILINE | re.DOTALL)
    return next(str(block) for block in blocks if text in block)


def rms(values: Any) -> float:
    """√ of the mean square, in float64."""
    return float(np.sqrt(np.mean(np.square(np.asarray(values, dtype=np.float64)))))


def same(first: Sequence[Any], second: Sequence[Any]) -> bool:
    """Whether two lists of arrays are equal bit by bit."""
    return len(first) == len(second) > 0 and all(
        np.asarray(a).dtype == np.asarray(b).dtype and np.asarray(a).tobytes() == np.asarray(b).tobytes()
        for a, b in zip(first, second, strict=True)
    )


def save(file: str | Path, results: Mapping[str, Any]) -> None:
    """Writes the results."""
    Path(file).write_text(json.dumps(results))
