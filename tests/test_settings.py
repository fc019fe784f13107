"""Wrong arguments are refused at construction, by name, with what is allowed."""

from __future__ import annotations

from typing import Any

import pytest

from lightning_weightviz import WeightVisualizationCallback
from lightning_weightviz.settings import Settings

WRONG_VALUES: list[tuple[dict[str, Any], list[str]]] = [
    ({"layers": [""]}, ["layers", "empty"]),
    ({"every_n_epochs": 0}, ["every_n_epochs", "at least 1", "None"]),
    ({"every_n_train_steps": -5}, ["every_n_train_steps", "-5"]),
    ({"every_n_epochs": None, "log_initial": False}, ["every_n_epochs", "log_initial", "never"]),
    ({"targets": ["weight"]}, ["targets", "'weight'", "'gradients'", "Did you mean 'weights'?"]),
    ({"targets": []}, ["targets", "at least one"]),
    ({"views": ["heatmaps"]}, ["views", "'heatmaps'", "Did you mean 'heatmap'?"]),
    ({"statistics": ["rsm"]}, ["statistics", "'rsm'", "Did you mean 'rms'?"]),
    ({"max_layers": -1}, ["max_layers", "-1"]),
    ({"image_size": 4}, ["image_size", "at least 8", "4"]),
    ({"bins": 0}, ["bins", "at least 1"]),
    ({"colormap": "virdis"}, ["colormap", "'virdis'", "Did you mean 'viridis'?", "matplotlib"]),
    ({"color_range": "runs"}, ["color_range", "'runs'", "Did you mean 'run'?", "positive"]),
    ({"color_range": -1.0}, ["color_range", "-1.0", "positive"]),
    ({"color_range": float("nan")}, ["color_range", "nan"]),
    ({"input_shape": (2, 28, 28)}, ["input_shape", "(2, 28, 28)", "1 or 3 channels"]),
    ({"input_shape": (28,)}, ["input_shape", "(28,)"]),
    ({"class_names": []}, ["class_names", "one name a class"]),
    ({"on_alert": "warning"}, ["on_alert", "'warning'", "Did you mean 'warn'?"]),
    ({"max_overhead": 0.0}, ["max_overhead", "0.0", "None"]),
    ({"max_overhead": 1.5}, ["max_overhead", "1.5"]),
    ({"alerts": {"not_movin": None}}, ["alerts", "'not_movin'", "Did you mean 'not_moving'?"]),
    ({"alerts": {3: None}}, ["alerts", "rules", "got 3"]),
    ({"alerts": {"growth": {"facto": 3}}}, ["alerts", "'growth'", "Did you mean 'factor'?"]),
    ({"alerts": {"nan": {"share": 3}}}, ["alerts", "'nan'", "there are none", "'share'"]),
    ({"alerts": {"growth": {"factor": 0}}}, ["alerts", "above 0", "'factor'"]),
    ({"alerts": {"growth": {"factor": float("nan")}}}, ["alerts", "above 0", "nan"]),
]

WRONG_TYPES: list[tuple[dict[str, Any], list[str]]] = [
    ({"layers": 3}, ["layers", "3", "globs"]),
    ({"exclude": [1]}, ["exclude", "[1]"]),
    ({"every_n_epochs": 1.5}, ["every_n_epochs", "1.5", "whole number"]),
    ({"every_n_epochs": True}, ["every_n_epochs", "True"]),
    ({"log_initial": "yes"}, ["log_initial", "'yes'"]),
    ({"views": "heatmap"}, ["views", "'heatmap'", "list"]),
    ({"color_range": None}, ["color_range", "None"]),
    ({"input_shape": 784}, ["input_shape", "784"]),
    ({"input_shape": (28.0, 28)}, ["input_shape", "28.0"]),
    ({"class_names": "cat"}, ["class_names", "'cat'"]),
    ({"head": 3}, ["head", "3"]),
    ({"background": 1}, ["background", "1"]),
    ({"max_overhead": "1%"}, ["max_overhead", "'1%'"]),
    ({"prefix": None}, ["prefix", "None"]),
    ({"sinks": [object()]}, ["sinks", "write"]),
    ({"bins": "many"}, ["bins", "'many'"]),
    ({"alerts": "growth"}, ["alerts", "dict", "'growth'"]),
    ({"alerts": {"growth": 50}}, ["alerts", "dict", "50", "'growth'"]),
    ({"alerts": {"growth": {"factor": "50"}}}, ["alerts", "numbers above 0", "'50'"]),
    ({"alerts": {"growth": {"factor": True}}}, ["alerts", "numbers above 0", "True"]),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG_VALUES)
def test_wrong_values_are_named(arguments: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(ValueError) as caught:
        WeightVisualizationCallback(**arguments)
    for words in said:
        assert words in str(caught.value)


@pytest.mark.parametrize(("arguments", "said"), WRONG_TYPES)
def test_wrong_types_are_named(arguments: dict[str, Any], said: list[str]) -> None:
    with pytest.raises(TypeError) as caught:
        WeightVisualizationCallback(**arguments)
    for words in said:
        assert words in str(caught.value)


def test_every_argument_is_tested_for_wrong_input() -> None:
    tested = {name for arguments, _ in WRONG_VALUES + WRONG_TYPES for name in arguments}
    # They are tested as log_initial and background are.
    assert set(Settings.__dataclass_fields__) - tested == {"animation", "fused", "report"}


def test_defaults_of_callback_and_settings_are_the_same() -> None:
    assert WeightVisualizationCallback()._settings == Settings()


def test_arguments_take_one_normal_form() -> None:
    settings = Settings(layers="fc*", views=["heatmap", "heatmap"], input_shape=[28, 28], color_range=2)
    assert settings.layers == ("fc*",)
    assert settings.views == ("heatmap",)
    assert settings.input_shape == (1, 28, 28)
    assert settings.color_range == 2.0
