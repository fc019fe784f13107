"""Whatever a model, an optimizer or a checkpoint is like, training goes on, and what can be shown is shown."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor, nn
from torch.testing._internal.two_tensor import TwoTensor

from lightning_weightviz import WeightVisualizationCallback
from lightning_weightviz.model import observer
from lightning_weightviz.visualizer import WeightVisualizer
from tests.support.training import Classifier, batches, trainer
from tests.test_callback import Chain, Collected, fit


@contextmanager
def told() -> Iterator[list[str]]:
    """All warnings' texts, as they come."""
    texts: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield texts
        texts += [str(one.message) for one in caught]


def failures(texts: list[str]) -> list[str]:
    return [text for text in texts if "failed with" in text]


class Stepping(Chain):
    """With an optimizer of the test's."""

    def __init__(self, wrap: Callable[[torch.optim.Optimizer], Any]) -> None:
        super().__init__()
        self._wrap = wrap

    def configure_optimizers(self) -> Any:
        return self._wrap(super().configure_optimizers())


class Around:
    """What is enough of an optimizer for Lightning, around another one."""

    def __init__(self, inner: torch.optim.Optimizer) -> None:
        self.inner = inner
        self.param_groups, self.state, self.defaults = inner.param_groups, inner.state, inner.defaults

    def step(self, closure: Any = None) -> Any:
        return self.inner.step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.inner.zero_grad(set_to_none)

    def state_dict(self) -> Any:
        return self.inner.state_dict()

    def load_state_dict(self, state_dict: Any) -> None:
        self.inner.load_state_dict(state_dict)


class Lookahead(Around, torch.optim.Optimizer):
    """A wrapper that never calls the constructor of PyTorch's class, so that it has no hooks."""


class Plain(Around):
    """No optimizer of PyTorch's at all."""


@pytest.mark.parametrize("wrap", [Lookahead, Plain])
def test_optimizers_without_hooks_are_watched_until_the_batch_is_over(wrap: Any, tmp_path: Path) -> None:
    kept, plain = Collected(), Collected()
    with told() as texts:
        fit(tmp_path / "wrapped", WeightVisualizationCallback(sinks=[kept]), model=Stepping(wrap))
        fit(tmp_path / "plain", WeightVisualizationCallback(sinks=[plain]), model=Stepping(lambda inner: inner))
    assert failures(texts) == []
    ratios = kept.scalars("weights.update_ratio/fc1.weight")
    assert len(ratios) == 3 and min(ratios) > 0
    assert ratios == pytest.approx(plain.scalars("weights.update_ratio/fc1.weight"), rel=1e-5)


class Scripted(Classifier):
    """Holds submodules whose parameters are in no dict."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1: nn.Module = torch.jit.script(nn.Linear(16, 8))  # type: ignore[assignment]
        self.norm: nn.Module = torch.jit.trace(nn.Linear(8, 8), torch.zeros(2, 8))  # type: ignore[assignment]


def test_scripted_and_traced_layers_are_shown(tmp_path: Path) -> None:
    kept = Collected()
    with told() as texts:
        fit(tmp_path, WeightVisualizationCallback(sinks=[kept]), model=Scripted())
    assert failures(texts) == []
    assert kept.steps("weights.heatmap/fc1.weight") == kept.steps("weights.heatmap/norm.weight") == [0, 4, 9, 14]
    assert len(kept.steps("weights.update_ratio/fc1.weight")) == 3


class Whole(nn.modules.conv._ConvNd):
    """A convolution that keeps the size of its kernel as one number."""

    def __init__(self) -> None:
        super().__init__(4, 8, (3, 3), (1, 1), (0, 0), (1, 1), False, (0, 0), 1, True, "zeros")
        self.kernel_size = 3  # type: ignore[assignment]


class Shy(nn.Module):
    """Answers to no unknown name in the usual way."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(5, 4))
        self.made = True

    def __getattr__(self, name: str) -> Any:
        if name in self._parameters:
            return self._parameters[name]
        raise RuntimeError(f"what is {name}?") if self.__dict__.get("made") else AttributeError(name)


class ShyEmbedding(Shy, nn.Embedding):  # type: ignore[misc]
    """The same for a layer that is asked for more."""

    def __init__(self) -> None:
        nn.Embedding.__init__(self, 5, 4)
        del self.padding_idx
        self.made = True


@pytest.mark.parametrize("module", [Whole, Shy, ShyEmbedding], ids=lambda module: module.__name__)
def test_odd_layers_are_shown_like_others(module: Any, tmp_path: Path) -> None:
    kept = Collected()
    with told() as texts:
        visualizer = WeightVisualizer(nn.ModuleList([module(), nn.Linear(3, 2)]), sinks=[kept])
        visualizer.log(0)
        visualizer.finish()
    assert failures(texts) == []
    assert kept.steps("weights.heatmap/0.weight") == kept.steps("weights.heatmap/1.weight") == [0]


def test_a_parameter_of_an_unknown_type_is_left_out_alone(tmp_path: Path) -> None:
    model, kept = Chain(), Collected()
    model.fc2.scale = nn.Parameter(TwoTensor(torch.ones(4, 3), torch.ones(4, 3)), requires_grad=False)
    with told() as texts:
        visualizer = WeightVisualizer(model, sinks=[kept])
        visualizer.log(0)
        visualizer.finish()
    assert failures(texts) == []
    assert any("not shown: fc2.scale: its type TwoTensor" in text for text in texts)
    assert kept.steps("weights.heatmap/fc2.weight") == [0] and kept.steps("weights.heatmap/fc2.scale") == []


class Stubborn(torch.Tensor):
    """Looks like any other, and raises where its values are needed."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.detach and getattr(cls, "raises", False):
            raise RuntimeError("sealed")
        return super().__torch_function__(func, types, args, kwargs or {})  # type: ignore[no-untyped-call]


def test_a_parameter_that_fails_later_is_left_out_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    model, kept = Chain(), Collected()
    model.fc2.scale = nn.Parameter(torch.ones(4, 3).as_subclass(Stubborn))
    visualizer = WeightVisualizer(model, sinks=[kept])
    visualizer.log(0)
    with told() as texts:
        monkeypatch.setattr(Stubborn, "raises", True, raising=False)
        visualizer.log(1)
        visualizer.log(2)
        visualizer.finish()
    assert failures(texts) == []
    assert any("fc2.scale: reading it raised RuntimeError: sealed" in text for text in texts)
    assert kept.steps("weights.histogram/fc2.weight") == [0, 1, 2] and kept.steps("weights.histogram/fc2.scale") == [0]
    assert kept.steps("weights.heatmap/fc2.weight") == [0, 2] and kept.steps("weights.heatmap/fc2.scale") == [0]


class Quantised(torch.Tensor):
    """Keeps half the values, and gives them when it is asked."""

    @staticmethod
    def __new__(cls, inner: Tensor) -> Any:
        return torch.Tensor._make_wrapper_subclass(cls, inner.shape, dtype=torch.float32)

    def __init__(self, inner: Tensor) -> None:
        self.values_twice = inner

    def dequantize(self) -> Tensor:
        halves: Tensor = self.values_twice / 2
        return halves

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func is torch.ops.aten.detach.default:
            return Quantised(args[0].values_twice)
        raise NotImplementedError(f"{func} is not for these")


def test_quantised_parameters_are_shown_dequantised() -> None:
    model, kept = nn.Module(), Collected()
    model.register_parameter("w", nn.Parameter(Quantised(torch.full((3, 4), 6.0)), requires_grad=False))
    visualizer = WeightVisualizer(model, sinks=[kept])
    visualizer.log(0)
    visualizer.finish()
    assert kept.scalars("weights.absmax/w") == [3.0]


class Defaulting(Chain):
    """Sets the default dtype when its data is there."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self._default = dtype

    def on_fit_start(self) -> None:
        torch.set_default_dtype(self._default)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_default_dtype_is_the_users(dtype: torch.dtype, tmp_path: Path) -> None:
    kept, everything = Collected(), ("weights", "gradients", "updates")
    callback = WeightVisualizationCallback(sinks=[kept], targets=everything)  # type: ignore[arg-type]
    model, before = Defaulting(dtype), torch.get_default_dtype()
    try:
        with told() as texts:
            fit(tmp_path, callback, model=model)
    finally:
        torch.set_default_dtype(before)
    assert failures(texts) == []
    assert kept.steps("weights.heatmap/fc1.weight") == [0, 4, 9, 14]
    assert len(kept.steps("gradients.heatmap/fc1.weight")) == len(kept.steps("weights.update_ratio/fc1.weight")) == 3


def test_the_default_device_is_the_users() -> None:
    model, kept = Chain(), Collected()
    with told() as texts, torch.device("meta"):
        visualizer = WeightVisualizer(model, sinks=[kept])
        visualizer.log(0)
        visualizer.log(1)
        visualizer.finish()
        state = visualizer.state_dict()
        other = WeightVisualizer(model, sinks=[kept])
        other.load_state_dict(state)
        other.log(2)
        other.finish()
    assert failures(texts) == []
    assert kept.steps("weights.heatmap/fc1.weight") == [0, 1, 2]


def checkpoint_of(folder: Path) -> tuple[Path, str]:
    callback = WeightVisualizationCallback(sinks=[Collected()])
    saving = ModelCheckpoint(folder, save_last=True)
    fit(folder, callback, saving, enable_checkpointing=True, max_epochs=1)
    return folder / "last.ckpt", callback.state_key


BROKEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "empty": lambda state: {},
    "a list": lambda state: [1, 2],
    "a tensor": lambda state: torch.ones(1),
    "text": lambda state: "nothing",
    "of another version": lambda state: {"version": 9, "snapshots": []},
    "without a history": lambda state: {**state, "visualizer": {"meters": state["visualizer"]["meters"]}},
    "without meters": lambda state: {**state, "visualizer": {"history": state["visualizer"]["history"]}},
    "a history of None": lambda state: {**state, "visualizer": {**state["visualizer"], "history": None}},
    "meters cut short": lambda state: {
        **state,
        "visualizer": {**state["visualizer"], "meters": {"weights": {"names": ["fc1.weight"]}}},
    },
    "a step of another type": lambda state: {**state, "last_step": "four"},
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_state_that_cannot_be_read_starts_anew(case: str, tmp_path: Path) -> None:
    path, key = checkpoint_of(tmp_path)
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["callbacks"][key] = BROKEN[case](checkpoint["callbacks"][key])
    torch.save(checkpoint, path)
    kept = Collected()
    with told() as texts:
        running = trainer(tmp_path, WeightVisualizationCallback(sinks=[kept]), max_epochs=3)
        running.fit(Classifier(), batches(), ckpt_path=str(path))
    assert kept.steps("weights.heatmap/fc1.weight") == [9, 14]
    assert len([text for text in failures(texts) if "restoring the state" in text]) == (case != "empty"), texts


def test_a_state_of_version_0_1_is_resumed(tmp_path: Path) -> None:
    kept = Collected()
    views = ["heatmap", "histogram", "statistics", "distribution", "evolution", "classes", "overview", "drift"]
    callback = WeightVisualizationCallback(targets=["weights", "updates"], views=views, sinks=[kept])
    path = Path(__file__).parent.parent / "data" / "checkpoint-0.1.ckpt"
    with told() as texts:
        trainer(tmp_path, callback, max_epochs=5).fit(Classifier(), batches(), ckpt_path=str(path))
    assert failures(texts) == []
    assert kept.steps("weights.heatmap/fc1.weight") == [19, 24]
    assert callback._visualizer is not None
    assert list(callback._visualizer._history._memory({}).epochs) == [0, 1, 2, 3, 4, 5]


def test_callbacks_of_the_same_arguments_are_saved_and_resumed_in_their_order(tmp_path: Path) -> None:
    def run(folder: Path, epochs: int, resume: str | None) -> list[list[int]]:
        kept = [Collected(), Collected()]
        callbacks = [WeightVisualizationCallback(sinks=[one], views=("evolution",)) for one in kept]
        assert len({callback.state_key for callback in callbacks}) == 2
        saving = ModelCheckpoint(folder, save_last=True)
        running = trainer(folder, *callbacks, saving, enable_checkpointing=True, max_epochs=epochs)
        running.fit(Classifier(), batches(), ckpt_path=resume)
        histories = [one._visualizer._history for one in callbacks if one._visualizer is not None]
        return [list(history._memory({}).epochs) for history in histories]

    assert run(tmp_path / "a", 2, None) == [[0, 1, 2]] * 2
    assert run(tmp_path / "b", 3, str(tmp_path / "a" / "last.ckpt")) == [[0, 1, 2, 3]] * 2


def test_keys_differ_by_every_argument() -> None:
    arguments: dict[str, Any] = {
        "layers": "fc1", "exclude": "fc1", "every_n_epochs": 2, "every_n_train_steps": 3, "log_initial": False,
        "targets": ("updates",), "views": ("heatmap",), "statistics": ("rms",), "max_layers": 3, "image_size": 64,
        "bins": 9, "colormap": "PuOr", "color_range": "init", "input_shape": (4, 4), "class_names": ["a", "b"],
        "head": "fc.weight", "animation": True, "on_alert": "ignore", "background": False, "max_overhead": None,
        "report": True, "prefix": "a", "sinks": [Collected()],
    }  # fmt: skip
    callbacks = [WeightVisualizationCallback(**{name: value}) for name, value in arguments.items()]
    keys = [callback._key.of_arguments for callback in [WeightVisualizationCallback(), *callbacks]]
    assert len(set(keys)) == 1 + len(arguments)
    again = WeightVisualizationCallback(sinks=[Collected()])
    assert again._key.of_arguments == keys[-1]


HOOKS = ("take", "learn", "stop_waiting", "before_step", "after_step", "state_dict", "rest")


@pytest.mark.parametrize("method", HOOKS)
def test_nothing_that_looks_at_the_model_stops_training(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("no model")

    monkeypatch.setattr(observer.Observer, method, fail)
    saving = ModelCheckpoint(tmp_path, save_last=True)
    with told() as texts:
        model = fit(
            tmp_path, WeightVisualizationCallback(sinks=[Collected()]), saving, enable_checkpointing=True, max_epochs=2
        )
    assert model.trainer.current_epoch == 2
    assert len([text for text in failures(texts) if "no model" in text]) == 1, texts


def test_a_model_that_cannot_be_looked_through_is_reported_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError("no parameters")

    monkeypatch.setattr(observer, "select", fail)
    with told() as texts:
        model = fit(tmp_path, WeightVisualizationCallback(), max_epochs=2)
    assert model.trainer.current_epoch == 2
    assert len([text for text in failures(texts) if "on_train_start" in text]) == 1


def test_what_users_must_know_passes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="head must name the weight"):
        fit(tmp_path, WeightVisualizationCallback(head="fc9.weight"))
    with pytest.raises(ValueError, match="class_names must hold one name"):
        fit(tmp_path, WeightVisualizationCallback(class_names=["a", "b", "c"]))


class Growing(Chain):
    """Begins with a lazy layer, and gets another one in the second epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = nn.LazyLinear(8)

    def on_train_epoch_start(self) -> None:
        if self.current_epoch == 1:
            self.extra = nn.Linear(3, 3)


def test_lazy_and_new_layers_appear_at_the_next_snapshot(tmp_path: Path) -> None:
    kept = Collected()
    with told() as texts:
        fit(tmp_path, WeightVisualizationCallback(sinks=[kept]), model=Growing())
    assert failures(texts) == []
    assert kept.steps("weights.heatmap/fc1.weight") == [0, 4, 9, 14]
    assert kept.steps("weights.heatmap/extra.weight") == [9, 14]
    assert any("gone: none; new: extra.bias, extra.weight" in text for text in texts)


class LazyConvolution(Classifier):
    """Begins with a lazy convolution of single positions."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.LazyConv1d(3, 1)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return super().forward(self.mix(inputs[:, None]).mean(1))


def test_a_lazy_convolution_has_its_pictures(tmp_path: Path) -> None:
    kept = Collected()
    with told() as texts:
        fit(tmp_path, WeightVisualizationCallback(sinks=[kept]), model=LazyConvolution())
    assert failures(texts) == []
    assert kept.steps("weights.heatmap/mix.weight") == kept.steps("classes/weights") == [0, 4, 9, 14]


class Late(Chain):
    """Its layers are made by Lightning's hook."""

    def __init__(self) -> None:
        super().__init__()
        del self.fc1, self.fc2

    def configure_model(self) -> None:
        if not hasattr(self, "fc1"):
            self.fc1, self.fc2 = nn.Linear(16, 8), nn.Linear(8, 4)


def test_layers_of_configure_model_are_there(tmp_path: Path) -> None:
    kept = Collected()
    fit(tmp_path, WeightVisualizationCallback(sinks=[kept]), model=Late())
    assert kept.steps("weights.heatmap/fc2.weight") == kept.steps("classes/weights") == [0, 4, 9, 14]


def test_the_first_snapshot_is_not_lost_with_the_first_batch(tmp_path: Path) -> None:
    class Failing(Chain):
        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            raise RuntimeError("no loss")

    kept, model = Collected(), Failing()
    with pytest.raises(RuntimeError, match="no loss"):
        fit(tmp_path, WeightVisualizationCallback(sinks=[kept]), model=model)
    assert kept.steps("weights.heatmap/fc1.weight") == [0]


def test_a_copied_callback_beside_the_original(tmp_path: Path) -> None:
    callback = WeightVisualizationCallback(sinks=[Collected()])
    assert len({callback.state_key, copy.deepcopy(callback).state_key}) == 2
