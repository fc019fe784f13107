"""The callback inside `model.fit`, on each backend: what a process logged is read back here."""

from __future__ import annotations

from typing import Any

import pytest

from tests.frameworks.records import after_ctrl_c, steps, values
from tests.frameworks.test_keras import begin, installed

EPOCHS = 3
Results = dict[str, Any]


@pytest.fixture(scope="module", params=[installed("tensorflow"), installed("jax"), installed("torch")])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """What the program saw, and the event file that it left behind when Ctrl-C had ended it."""
    folder = tmp_path_factory.mktemp(str(request.param))
    done = begin(request.param, "keras_fit_run.py", str(folder))
    return after_ctrl_c(done, folder)


def test_training_is_bit_identical(results: Results) -> None:
    assert results["watched_by_epochs"]["same"] and results["by_steps"]["same"] and results["broken_view"]["same"]


def test_epochs_are_at_the_steps_of_keras_own_scalars(results: Results) -> None:
    log = results["watched_by_epochs"]["log"]
    # TensorBoard's callback of Keras logs `epoch_loss` at 0, 1 and 2.
    expected = [-1, *range(EPOCHS)]
    assert steps(log, "weights.rms/fc1.kernel") == expected
    assert log["images"]["weights.heatmap/fc1.kernel"] == log["images"]["classes/weights"] == expected
    assert log["histograms"]["weights.histogram/fc2.bias"] == expected
    assert log["images"]["updates.heatmap/fc1.kernel"] == expected[1:]
    assert log["images"]["classes/templates"] == expected
    assert {width for these in log["widths"].values() for width in these} == {720}


def test_the_losses_of_keras_are_known_to_views(results: Results) -> None:
    run = results["watched_by_epochs"]
    assert run["losses"][1:] == pytest.approx(run["logged"], rel=1e-6) and run["losses"][0] != run["losses"][0]


def test_values_are_those_of_keras_at_the_ends_of_epochs(results: Results) -> None:
    run = results["watched_by_epochs"]
    assert values(run["log"], "weights.rms/fc1.kernel") == pytest.approx([run["before"], *run["seen"]], rel=1e-6)
    assert len(set(run["seen"])) == EPOCHS


def test_steps_are_batches_and_values_those_between_them(results: Results) -> None:
    run = results["by_steps"]
    assert steps(run["log"], "weights.rms/fc1.kernel") == list(range(0, 171, 20))
    assert values(run["log"], "weights.rms/fc1.kernel")[1:] == pytest.approx(list(run["seen"].values()), rel=1e-6)
    assert set(run["seen"]) == {str(step) for step in range(20, 171, 20)}


def test_a_further_fit_of_the_same_model_goes_on_and_a_copy_does_not(results: Results) -> None:
    log = results["further_fits"]
    assert steps(log, "weights.rms/fc1.kernel") == [-1, 0, 1, 2, 3, -1, 0]
    # The change since the snapshot before, which is the one of the fit before.
    first, second, third, *_ = values(log, "weights.relative_change/fc1.kernel")
    assert first > second > third > 0
    assert values(log, "weights.rotation/fc1.kernel")[:5] == sorted(values(log, "weights.rotation/fc1.kernel")[:5])


def test_the_page_is_written_and_can_be_had_afterwards(results: Results) -> None:
    names = ["fc1.kernel", "fc1.bias", "fc2.kernel", "fc2.bias"]
    assert results["on_a_page"] == {"before": [], "same": True, "names": names, "title": "Weights"}


def test_a_loop_by_hand_is_followed(results: Results) -> None:
    run = results["by_hand"]
    assert steps(run["log"], "weights.rms/fc1.kernel") == [-1, 0, 1, -1, 0, 1]
    found = values(run["log"], "weights.rms/fc1.kernel")
    assert [found[2], found[5]] == pytest.approx([run["listed"], run["untold"]], rel=1e-6)


def test_a_model_without_weights_before_its_first_batch_is_waited_for(results: Results) -> None:
    log = results["subclassed"]
    assert steps(log, "weights.rms/hidden.kernel")[-2:] == [0, 1]
    assert any("classes/weights" in name for name in log["images"])


def test_a_view_that_raises_is_reported_once_and_stops_nothing(results: Results) -> None:
    run = results["broken_view"]
    [said] = run["said"]
    assert said.startswith("the view 'broken' failed with RuntimeError: no colours left.")
    assert steps(run["log"], "weights.rms/fc1.kernel") == [-1, 0, 1, 2]


def test_an_alert_stops_the_fit_and_is_logged(results: Results) -> None:
    kind, message = results["alert"]["raised"]
    assert kind == "WeightAlert" and message.startswith("fc1.kernel: 1024 of 1024 values are NaN (alert 'nan', epoch 1")
    assert results["alert"]["log"]["scalars"]["alerts/nan"] == [[-1, 0.0], [0, 4.0]]


@pytest.mark.parametrize("ending", ["interrupted", "ended"])
def test_an_interrupted_fit_loses_nothing(results: Results, ending: str) -> None:
    """By `finish`, and where Ctrl-C ended the process."""
    log = results[ending]
    assert steps(log, "weights.rms/fc1.kernel") == [-1, 0, 1]
    # Drawn for the last snapshot alone, and at its end.
    assert log["images"]["weights.evolution/fc1.kernel"][-1] == log["images"]["overview/weights"][-1] == 1
    assert log["images"]["weights.animation/fc1.kernel"] == [1]


def test_programs_of_the_documents_run(results: Results) -> None:
    """The event file of one, and the files of the other."""
    tag, picture = results["documented"]
    assert tag.startswith("weights.heatmap/dense") and picture.startswith("weights.heatmap/fc1.")


def test_what_fit_does_not_show_is_refused(results: Results) -> None:
    assert results["refused"] == [
        "ValueError: targets must be 'weights' or 'updates', as Keras shows no gradients, got ('gradients',)",
        "ValueError: statistics must not hold 'update_ratio', as Keras shows no single steps, got ('update_ratio',)",
        "ValueError: bins must be a whole number of at least 1, got 0",
        "TypeError: folder must be a path, a URL or None, got 3",
        "TypeError: got an unexpected keyword argument 'bin'",
    ]
