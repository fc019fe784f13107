"""The start and the end of an epoch of one batch share a step: the pictures of both are kept, and listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import nn

from lightning_weightviz import WeightVisualizationCallback, WeightVisualizer
from tests.support.samples import decode
from tests.support.training import Classifier, batches, trainer

pytestmark = pytest.mark.filterwarnings("ignore:No logger")

PICTURE = "weights.heatmap/fc1.weight"


def listed(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "weightviz" / "manifest.jsonl").read_text().splitlines()]


def names(folder: Path, tag: str = PICTURE) -> list[str]:
    return [Path(line["file"]).name for line in listed(folder) if line["tag"] == tag]


@pytest.mark.parametrize(
    ("arguments", "schedule", "count"),
    [({"overfit_batches": 1}, {}, 1), ({"limit_train_batches": 1}, {}, 1), ({}, {"every_n_train_steps": 1}, 5)],
)
def test_no_picture_replaces_another_snapshots(
    arguments: dict[str, Any], schedule: dict[str, Any], count: int, tmp_path: Path
) -> None:
    callback = WeightVisualizationCallback(max_overhead=None, animation=True, **schedule)
    trainer(tmp_path, callback, max_epochs=2, logger=False, **arguments).fit(Classifier(), batches(count=count))
    expected = ["step_00000000.png", "step_00000000_2.png", *(f"step_{step:08d}.png" for step in range(1, 2 * count))]
    assert names(tmp_path) == expected
    folder = tmp_path / "weightviz" / PICTURE
    # They sort as they were taken.
    assert sorted(path.name for path in folder.iterdir()) == expected
    start, first = (decode((folder / name).read_bytes()) for name in expected[:2])
    assert start.shape != first.shape or not np.array_equal(start, first)
    captions = [line["caption"] for line in listed(tmp_path) if line["tag"] == PICTURE]
    assert "start" in captions[0] and "start" not in captions[1]
    pictures = [line["file"] for line in listed(tmp_path) if line["kind"] in ("image", "animation")]
    assert len(set(pictures)) == len(pictures)


def test_a_step_that_is_logged_again_and_again_has_a_name_each_time(tmp_path: Path) -> None:
    model = nn.Linear(6, 4)
    visualizer = WeightVisualizer(model, folder=tmp_path, views=("heatmap",))
    for step in (7, 7, 7, 8, 9, 9):
        nn.init.normal_(model.weight)
        visualizer.log(step)
    visualizer.finish()
    tag = "weights.heatmap/weight"
    assert names(tmp_path, tag) == [
        f"step_{name}.png" for name in ("00000007", "00000007_2", "00000007_3", "00000008", "00000009", "00000009_2")
    ]


def test_what_is_drawn_at_the_end_belongs_to_its_snapshot(tmp_path: Path) -> None:
    """The film of a run whose only two snapshots share a step."""
    callback = WeightVisualizationCallback(max_overhead=None, animation=True)
    trainer(tmp_path, callback, max_epochs=1, logger=False, overfit_batches=1).fit(Classifier(), batches())
    assert names(tmp_path, "weights.animation/fc1.weight") == ["step_00000000_2.gif"]
