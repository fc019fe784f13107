"""The demo as a user gets it: what it prints, what its event file holds, and what TensorBoard's server makes of it."""

from __future__ import annotations

import re

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.conftest import Demo
from tests.support.samples import read_events
from tests.support.tensorboard_server import serve

EPOCHS = 20


@pytest.fixture(scope="module")
def events(demo: Demo) -> EventAccumulator:
    return read_events(demo.run)


def test_it_says_how_well_it_learned_where_the_files_are_and_how_to_look(demo: Demo) -> None:
    accuracy = re.search(r"^Test accuracy: (\d\.\d+)$", demo.printed, re.MULTILINE)
    assert accuracy and float(accuracy[1]) >= 0.95
    files = re.search(r"^Files: (.+)$", demo.printed, re.MULTILINE)
    assert files and (demo.folder / files[1]).samefile(demo.run)
    assert re.search(r"tensorboard --logdir demo --samples_per_plugin images=1000$", demo.printed, re.MULTILINE)


def test_its_event_file_holds_the_start_and_each_epoch(events: EventAccumulator) -> None:
    epochs = [event.step for event in events.Scalars("train_loss")]
    assert len(epochs) == EPOCHS
    each = [0, *epochs]
    for tag in (
        "weights.heatmap/fc1.weight",
        "classes/weights",
        "classes/cosine",
        "classes/norms",
        "classes/templates",
    ):
        drawn = [event.step for event in events.Images(tag)]
        # Once it has learned, not every epoch moves a weight by a colour step.
        assert drawn[:10] == each[:10] and drawn[-1] == each[-1] and set(drawn) <= set(each), tag
    for layer in ("fc1", "fc2", "fc3"):
        for kind in ("weight", "bias"):
            tag = f"weights.histogram/{layer}.{kind}"
            assert [event.step for event in events.Histograms(tag)] == each, tag
        assert [event.step for event in events.Scalars(f"weights.rms/{layer}.weight")] == each
        for view in ("evolution", "distribution"):
            assert events.Images(f"weights.{view}/{layer}.weight")[-1].step == epochs[-1]
    assert events.Images("overview/weights")[-1].step == epochs[-1]


@pytest.mark.parametrize("fast_loader", [True, False])
def test_every_tag_is_among_those_that_the_server_answers(
    demo: Demo, events: EventAccumulator, fast_loader: bool
) -> None:
    with serve(demo.run, fast_loader=fast_loader) as server:
        written = {kind: set(events.Tags()[kind]) for kind in ("images", "histograms", "scalars")}
        assert min(map(len, written.values())) >= 6
        server.wait_for(lambda it: all(it.tags(kind) >= tags for kind, tags in written.items()))


def test_no_tag_is_shared_by_two_kinds_of_data(events: EventAccumulator) -> None:
    kinds = [set(events.Tags()[kind]) for kind in ("images", "histograms", "scalars")]
    assert sum(map(len, kinds)) == len(set.union(*kinds))
