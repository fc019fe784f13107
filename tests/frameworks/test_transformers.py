"""The callback inside ``transformers.Trainer``: what processes logged is read back here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.frameworks.records import after_ctrl_c, files, steps, values

ROOT = Path(__file__).parent.parent.parent
HEAD = "classifier.weight"
STEPS = 6
Results = dict[str, Any]

pytestmark = pytest.mark.skipif(
    any(find_spec(name) is None for name in ("transformers", "accelerate")),
    reason="not installed: transformers, accelerate",
)


def run(*command: str, timeout: int = 300) -> subprocess.CompletedProcess[str]:
    """Runs Python in a process of its own."""
    given = {"PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, *command], env=os.environ | given, capture_output=True, text=True, timeout=timeout
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What the program saw, and the event file that it left behind when Ctrl-C had ended it."""
    folder = tmp_path_factory.mktemp("transformers")
    done = run(str(Path(__file__).with_name("transformers_run.py")), str(folder))
    return after_ctrl_c(done, folder)


def test_training_is_bit_identical_and_the_model_is_left_as_it_was(results: Results) -> None:
    assert results["watched"]["same"] and results["broken_view"]["same"]
    assert results["watched"]["hooks"] == 0


def test_steps_are_those_of_the_trainers_own_scalars(results: Results) -> None:
    """In TensorBoard's file of the Trainer's own callback; of optimizer steps, as gradients are accumulated."""
    log = results["watched"]["log"]
    epochs = [STEPS, 2 * STEPS, 3 * STEPS]
    assert steps(log, "train/loss") == epochs
    assert steps(log, f"weights.rms/{HEAD}") == [0, *epochs] == log["images"][f"weights.heatmap/{HEAD}"]
    assert log["images"]["classes/weights"] == log["histograms"][f"weights.histogram/{HEAD}"] == [0, *epochs]
    assert {width for these in log["widths"].values() for width in these} == {720}


def test_the_page_is_written_and_can_be_had_afterwards(results: Results) -> None:
    page = results["on_a_page"]
    assert page["before"] == [] and page["same"] and HEAD in page["names"]
    assert page["title"] == "Weights of BertForSequenceClassification"


def test_values_are_those_of_the_model_at_the_ends_of_epochs(results: Results) -> None:
    run = results["watched"]
    assert values(run["log"], f"weights.rms/{HEAD}") == pytest.approx([run["before"], *run["seen"]], rel=1e-6)


@pytest.mark.parametrize(("tag", "seen"), [("gradients.rms", "gradients"), ("weights.update_ratio", "ratios")])
def test_gradients_and_update_ratio_are_of_the_last_step_of_each_epoch(results: Results, tag: str, seen: str) -> None:
    run = results["watched"]
    expected = [run[seen][str(step)] for step in (STEPS, 2 * STEPS, 3 * STEPS)]
    assert values(run["log"], f"{tag}/{HEAD}") == pytest.approx(expected, rel=1e-5)


def test_classes_have_the_names_of_the_configuration_but_not_its_numbers_in_words(results: Results) -> None:
    named, numbered = (
        {tag.rpartition("/")[2] for tag in log["scalars"] if tag.startswith("classes.norm/")}
        for log in (results["watched"]["log"], results["numbered_labels"])
    )
    assert (named, numbered) == ({"cats", "dogs", "birds"}, {"0", "1", "2"})


def test_snapshots_by_steps_go_to_files_where_nothing_is_reported_to(results: Results) -> None:
    log = results["by_steps"]
    assert steps(log, f"weights.rms/{HEAD}") == [4, 8, 12]
    assert any(f"weights.heatmap/{HEAD}" in name for name in log["images"])


@pytest.mark.parametrize("how", ["rest", "moved"])
def test_a_resumed_training_goes_on_with_curves_and_film_strip(results: Results, how: str) -> None:
    """As one that was never interrupted; also from a checkpoint that was moved."""
    runs = results["resumed"]
    whole, half, rest = runs["whole"], runs["half"], runs[how]
    for statistic in ("rms", "rotation", "relative_change", "update_ratio"):
        tag = f"weights.{statistic}/{HEAD}"
        both = [*half["scalars"][tag], *rest["scalars"][tag]]
        assert [step for step, _ in both] == steps(whole, tag)
        np.testing.assert_array_equal([value for _, value in both], values(whole, tag), err_msg=tag)
    film = f"weights.evolution/{HEAD}"
    assert rest["images"][film][-1] == whole["images"][film][-1] == 4 * STEPS
    assert rest["digests"][film][-1] == whole["digests"][film][-1]
    assert rest["said"] == []


def test_a_state_that_cannot_be_read_starts_anew(results: Results) -> None:
    run = results["resumed"]["stateless"]
    [said] = run["said"]
    assert said.startswith(
        "restoring the state failed with TypeError: it was not written by WeightVisualizationCallback."
    )
    assert steps(run, f"weights.rms/{HEAD}") == [3 * STEPS, 4 * STEPS]
    assert values(run, f"weights.rotation/{HEAD}")[0] == 0


def test_two_callbacks_have_a_state_each(results: Results) -> None:
    assert results["two_callbacks"] == ["weightviz-1.pt", "weightviz.pt"]


def test_a_model_that_waits_for_its_first_loss_can_be_copied(results: Results) -> None:
    """And so can the callback, whose copy writes to the same logger."""
    log = results["copied_model"]
    assert steps(log, f"weights.rms/{HEAD}") == [0, STEPS, 0, STEPS]
    assert {tag for tag in log["scalars"] if tag.startswith("classes.norm/")} >= {"classes.norm/0", "classes.norm/cats"}


def test_the_last_snapshot_is_not_of_the_best_model_that_is_loaded_at_the_end(results: Results) -> None:
    run = results["best_model"]
    assert run["last"] == pytest.approx(run["seen"][-2], rel=1e-6) != run["seen"][-1]
    assert values(run["log"], f"weights.rms/{HEAD}")[1:] == pytest.approx(run["seen"], rel=1e-6)
    assert run["log"]["images"][f"weights.evolution/{HEAD}"][-1] == STEPS * len(run["seen"])


def test_a_view_that_raises_is_reported_once_and_stops_nothing(results: Results) -> None:
    run = results["broken_view"]
    [said] = run["said"]
    assert said.startswith("the view 'broken' failed with RuntimeError: no colours left.")
    assert steps(run["log"], f"weights.rms/{HEAD}") == [0, STEPS, 2 * STEPS, 3 * STEPS]


def test_alerts_and_names_that_do_not_fit_stop_the_training(results: Results) -> None:
    stopped = results["stopped"]
    assert stopped["alert"] == [
        "WeightAlert",
        "classifier.weight: 1 of 48 values are NaN, in row 0 (alert 'nan', epoch 0, step 0)",
    ]
    assert stopped["names"][0] == "ArgumentError" and "for each of the 3 rows" in stopped["names"][1]
    assert stopped["log"]["scalars"]["alerts/nan"] == [[0, 1.0]]


@pytest.mark.parametrize("ending", ["interrupted", "ended"])
def test_an_interrupted_training_loses_nothing(results: Results, ending: str) -> None:
    """By `finish`, and where Ctrl-C ended the process."""
    log = results[ending]
    assert steps(log, f"weights.rms/{HEAD}") == [0, STEPS, 2 * STEPS]
    assert log["images"][f"weights.evolution/{HEAD}"][-1] == log["images"]["overview/weights"][-1] == 2 * STEPS
    assert log["images"][f"weights.animation/{HEAD}"] == [2 * STEPS]


def test_the_program_of_the_documents_runs(results: Results) -> None:
    log = results["documented"]
    assert steps(log, f"weights.rms/{HEAD}") == [0, 12, 24, 36, 48, 60]


def test_of_two_ranks_one_writes(tmp_path: Path) -> None:
    """Of replicas it alone looks; in what is spread over both, all that is measured takes both."""
    program = str(Path(__file__).with_name("transformers_ranks_run.py"))
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    done = run(*torchrun, program, str(tmp_path), timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed with" not in done.stderr, done.stderr
    for how in ("replicas", "sharded"):
        first, second = (json.loads((tmp_path / f"{how}{rank}.json").read_text()) for rank in (0, 1))
        assert first == second and first["spread"] == (how == "sharded")
        log = files(tmp_path / how / "rank0")
        assert steps(log, f"weights.rms/{HEAD}") == [0, 4, 8, 12], how
        assert values(log, f"weights.rms/{HEAD}")[-1] == pytest.approx(first["rms"], rel=1e-6)
        assert not (tmp_path / how / "rank1").exists()
    assert len(list(tmp_path.glob("replicas/output/checkpoint-*/weightviz.pt"))) == 3
