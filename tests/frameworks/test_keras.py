"""A Keras model of each backend, trained for real, a process each as the backend is fixed when Keras is imported."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lightning_weightviz import visualize_weights

ROOT = Path(__file__).parent.parent.parent
Arrays = dict[str, np.ndarray[Any, Any]]
HEADER = 72
"""Pixels of the caption lines above a picture."""


def installed(backend: str, *more: str) -> Any:
    """A case that is skipped where Keras or its backend is missing."""
    missing = [name for name in ("keras", backend) if find_spec(name) is None]
    return pytest.param(
        backend, *more, marks=pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")
    )


def begin(backend: str, program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a program of this folder to its end, whichever that is."""
    given = {"PYTHONPATH": str(ROOT), "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(
        [sys.executable, Path(__file__).with_name(program), *arguments],
        env={**os.environ, **given, **environment},
        capture_output=True,
        text=True,
        timeout=600,
    )


def start(backend: str, program: str, *arguments: str, **environment: str) -> None:
    """Runs a program of this folder, which does all that it does."""
    done = begin(backend, program, *arguments, **environment)
    assert done.returncode == 0, done.stdout + done.stderr


def run(backend: str, folder: Path, *arguments: str) -> Arrays:
    """What a process with this backend saved."""
    start(backend, "keras_run.py", str(folder / "saved.npz"), *arguments)
    with np.load(folder / "saved.npz") as saved:
        return dict(saved)


def twin(weights: Arrays) -> nn.Sequential:
    """PyTorch's own network with the same weights, outputs first."""
    model = nn.Sequential()
    for name in ("fc1", "fc2", "fc3"):
        kernel = torch.from_numpy(weights[f"{name}.kernel"].T.copy())
        layer = nn.Linear(kernel.shape[1], kernel.shape[0])
        layer.weight, layer.bias = nn.Parameter(kernel), nn.Parameter(torch.from_numpy(weights[f"{name}.bias"]))
        model.add_module(name, layer)
    return model


@pytest.mark.parametrize("backend", [installed("tensorflow"), installed("jax"), installed("torch")])
def test_a_trained_model_is_drawn_like_its_twin(backend: str, tmp_path: Path) -> None:
    saved = run(backend, tmp_path)
    tags = {name.removeprefix("page:") for name in saved if name.startswith("page:")}
    assert tags == {
        *("weights.heatmap/fc1.kernel", "weights.heatmap/fc1.bias", "weights.heatmap/fc2.kernel"),
        *("classes/weights", "classes/cosine", "classes/norms", "classes/templates"),
    }
    model = twin(saved)
    for layer, view in (("fc1.weight", "heatmap"), ("fc1.bias", "heatmap"), (None, "classes")):
        for axes in visualize_weights(model, layer, views=(view,)).axes:
            tag = str(axes.get_label())
            mine, theirs = (
                saved[f"page:{tag.replace('weight', 'kernel').replace('kernels', 'weights')}"],
                axes.images[0],
            )
            if tag in ("classes/weights", "classes/norms", "classes/cosine"):
                # These speak of columns, where PyTorch's speak of rows.
                assert mine.shape[1] == 720
                continue
            np.testing.assert_array_equal(mine[HEADER:], np.asarray(theirs.get_array())[HEADER:], err_msg=tag)


@pytest.mark.parametrize(("backend", "dtype"), [installed("tensorflow", "bfloat16"), installed("jax", "bfloat16")])
def test_half_precision(backend: str, dtype: str, tmp_path: Path) -> None:
    saved = run(backend, tmp_path, dtype)
    figure = visualize_weights(twin(saved), "fc1.weight")
    page = np.asarray(figure.axes[0].images[0].get_array())
    np.testing.assert_array_equal(saved["page:weights.heatmap/fc1.kernel"][HEADER:], page[HEADER:])


@pytest.mark.parametrize("backend", [installed("jax")])
def test_a_kernel_that_is_split_over_devices(backend: str) -> None:
    start(backend, "jax_sharded_run.py", XLA_FLAGS="--xla_force_host_platform_device_count=2")
