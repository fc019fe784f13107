"""Trains the demo with both recipes and writes the pictures of the README to docs/images/.

python docs/make_images.py
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import STORE_EVERYTHING_SIZE_GUIDANCE, EventAccumulator

DOCS = Path(__file__).resolve().parent
DEMO = DOCS.parent / "examples" / "digits.py"

# File: tag, and which of its pictures: 0 is the start of training, -1 the end.
PICTURES = {
    "good": {
        "heatmap-start.png": ("weights.heatmap/fc1.weight", 0),
        "heatmap-end.png": ("weights.heatmap/fc1.weight", -1),
        "evolution.png": ("weights.evolution/fc1.weight", -1),
        "distribution.png": ("weights.distribution/fc1.weight", -1),
        "templates.png": ("classes/templates", -1),
        "cosine.png": ("classes/cosine", -1),
        "norms.png": ("classes/norms", -1),
        "head.png": ("classes/weights", -1),
        "overview.png": ("overview/weights", -1),
    },
    "article": {
        "article-heatmap.png": ("weights.heatmap/fc1.weight", -1),
        "article-evolution.png": ("weights.evolution/fc1.weight", -1),
        "article-overview.png": ("overview/weights", -1),
    },
}


def train(recipe: str, folder: Path, epochs: int | None) -> EventAccumulator:
    """Runs the demo and reads its event files."""
    options = [] if epochs is None else ["--epochs", str(epochs)]
    subprocess.run([sys.executable, DEMO, "--recipe", recipe, "--out", folder, *options], check=True)
    [run] = folder.glob(f"digits-{recipe}/version_*")
    events = EventAccumulator(str(run), size_guidance=STORE_EVERYTHING_SIZE_GUIDANCE)
    events.Reload()
    return events


def main() -> None:
    """Writes all pictures."""
    parser = argparse.ArgumentParser(description="Train the demo and write the README's pictures.")
    parser.add_argument("--out", type=Path, default=DOCS / "images", help="folder (default: docs/images)")
    parser.add_argument("--epochs", type=int, help="how many, for a quick look (default: those of the recipe)")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for recipe, pictures in PICTURES.items():
            events = train(recipe, Path(folder), args.epochs)
            for name, (tag, which) in pictures.items():
                (args.out / name).write_bytes(events.Images(tag)[which].encoded_image_string)
    print(f"\n{sum(map(len, PICTURES.values()))} pictures in {args.out}")


if __name__ == "__main__":
    main()
