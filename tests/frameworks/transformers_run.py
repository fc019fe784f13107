"""Trains with ``transformers.Trainer`` and the callback, and saves what was logged; run by a test."""

from __future__ import annotations

import copy
import os
import pickle
import shutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from lightning_weightviz.run import schedule
from lightning_weightviz.transformers import WeightVisualizationCallback
from lightning_weightviz.views import Scene, view
from tests.frameworks.records import events, files, program, rms, same, save
from tests.support.pages import names_on, run_of

# A busy machine loses no pictures to the budget.
schedule.FREE_SECONDS = 600.0
OUT = Path(sys.argv[1])
NAMES = ("cats", "dogs", "birds")
STEPS = 6
"""Optimizer steps of an epoch: 12 batches, two for each step."""


@view("broken")
def broken(scene: Scene) -> Any:
    """A view that cannot draw."""
    raise RuntimeError("no colours left")


class Sentences(Dataset[dict[str, Tensor]]):
    """96 random ones; the first word tells the class."""

    def __init__(self) -> None:
        self.words = torch.from_numpy(np.random.default_rng(0).integers(0, 30, (96, 6)))

    def __len__(self) -> int:
        return len(self.words)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {"input_ids": self.words[index], "labels": self.words[index, 0] % 3}


def network(**config: Any) -> BertForSequenceClassification:
    set_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    names = {"id2label": dict(enumerate(NAMES)), "label2id": {name: index for index, name in enumerate(NAMES)}}
    return BertForSequenceClassification(
        BertConfig(vocab_size=30, max_position_embeddings=6, **{**sizes, **names, **config})
    )


def trainer(name: str, *callbacks: Any, model: Any = None, **arguments: Any) -> Trainer:
    """One that logs to the folder `name`."""
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(OUT / name)
    usual: dict[str, Any] = {
        **{"num_train_epochs": 3, "per_device_train_batch_size": 8, "gradient_accumulation_steps": 2},
        **{"learning_rate": 1e-2, "use_cpu": True, "disable_tqdm": True, "report_to": "tensorboard"},
        **{"logging_strategy": "epoch", "save_strategy": "no", "seed": 1},
    }
    settings = TrainingArguments(str(OUT / name / "output"), **{**usual, **arguments})
    data = Sentences()
    return Trainer(model or network(), settings, train_dataset=data, eval_dataset=data, callbacks=list(callbacks))


def weights(one: Trainer) -> list[Any]:
    return [tensor.numpy() for tensor in one.model.state_dict().values()]


class Seen(TrainerCallback):  # type: ignore[misc]  # not there where types are checked
    """Remembers the head's weights, its gradient and the steps it took, in float64; may stop as a user does."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.epochs: list[float] = []
        self.gradients: dict[int, float] = {}
        self.ratios: dict[int, float] = {}
        self._fail_at = fail_at
        self._before: Any = None

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        head = model.classifier.weight
        self.gradients[state.global_step + 1] = rms(head.grad.numpy())
        self._before = head.detach().numpy().astype("float64")

    def on_optimizer_step(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        after = model.classifier.weight.detach().numpy().astype("float64")
        change = np.linalg.norm(after - self._before)
        self.ratios[state.global_step + 1] = float(change / np.linalg.norm(self._before))

    def on_epoch_end(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        self.epochs.append(rms(model.classifier.weight.detach().numpy()))

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == self._fail_at:
            raise KeyboardInterrupt


PLAIN = trainer("plain", report_to="none")
BEFORE = rms(PLAIN.model.classifier.weight.detach().numpy())
PLAIN.train()


def watched() -> dict[str, Any]:
    seen = Seen()
    callback = WeightVisualizationCallback(targets=("weights", "gradients", "updates"), max_overhead=None)
    one = trainer("watched", callback, seen)
    one.train()
    return {
        **{"log": events(OUT / "watched"), "before": BEFORE, "seen": seen.epochs, "gradients": seen.gradients},
        **{"ratios": seen.ratios, "same": same(weights(PLAIN), weights(one))},
        "hooks": len(one.model._forward_hooks),
    }


def by_steps() -> dict[str, Any]:
    callback = WeightVisualizationCallback("classifier", every_n_epochs=None, every_n_train_steps=4, log_initial=False)
    trainer("steps", callback, report_to="none", max_steps=14).train()
    return files(OUT / "steps" / "output")


def on_a_page() -> dict[str, Any]:
    """The page as it was written, and as the callback gives it when the training is over."""
    callback = WeightVisualizationCallback(folder=OUT / "page", report=True, views=["statistics"], max_overhead=None)
    before = names_on(callback.page.content)
    trainer("page", callback, report_to="none").train()
    written, now = OUT / "page" / "weightviz" / "report.html", callback.page.content
    title, names = run_of(now)["title"], names_on(now)
    return {"before": before, "same": written.read_bytes() == now, "names": names, "title": title}


def resumed() -> dict[str, Any]:
    """Trained in one go, and resumed at a checkpoint: where it lies, and moved, with another output folder."""
    found = {}
    arguments: dict[str, Any] = {"max_overhead": None, "views": ["statistics", "evolution"]}
    steady = {"lr_scheduler_type": "constant", "save_strategy": "epoch"}
    for name, epochs in (("whole", 4), ("half", 2)):
        trainer(name, WeightVisualizationCallback(**arguments), num_train_epochs=epochs, **steady).train()
        found[name] = events(OUT / name)
    state = OUT / "half" / "output" / f"checkpoint-{2 * STEPS}"
    shutil.copytree(state, OUT / "moved-checkpoint")
    shutil.copytree(state, OUT / "stateless-checkpoint")
    (OUT / "stateless-checkpoint" / "weightviz.pt").write_bytes(b"nothing of ours")
    for name, path in (
        ("rest", state),
        ("moved", OUT / "moved-checkpoint"),
        ("stateless", OUT / "stateless-checkpoint"),
    ):
        # A new model and a new callback, as in a new process.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            one = trainer(name, WeightVisualizationCallback(**arguments), num_train_epochs=4, **steady)
            one.train(resume_from_checkpoint=str(path))
        found[name] = events(OUT / name) | {"said": [str(w.message) for w in caught if "restoring" in str(w.message)]}
    return found


class Own(WeightVisualizationCallback):
    """A user's."""


def two_callbacks() -> list[str]:
    both = [WeightVisualizationCallback("classifier", prefix="a/"), Own("*.query", prefix="b/")]
    trainer("two", *both, num_train_epochs=1, save_strategy="epoch", save_total_limit=1).train()
    return sorted(path.name for path in (OUT / "two").glob("output/checkpoint-*/weightviz*"))


class Copies(TrainerCallback):  # type: ignore[misc]
    """Copies and pickles the model before its first output, as a moving average does, and trains the copies."""

    def on_step_begin(self, args: Any, state: Any, control: Any, model: Any = None, **kwargs: Any) -> None:
        if state.global_step == 0:
            words = torch.zeros(1, 6, dtype=torch.long)
            for one in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
                one.train()(input_ids=words, labels=words[:, 0]).loss.backward()


def copied_model() -> dict[str, Any]:
    """With a logger that cannot be copied, and a configuration whose names of classes have no numbers."""
    # Here, as `records` keeps it from importing TensorFlow.
    from torch.utils.tensorboard import SummaryWriter

    model = network()
    model.config.id2label = {"a": "cats", "b": "dogs", "c": "birds"}
    callback = WeightVisualizationCallback(loggers=SummaryWriter(OUT / "copied"), views=["statistics", "classes"])
    trainer("copied_trainer", callback, Copies(), model=model, num_train_epochs=1).train()
    trainer("copied_again", copy.deepcopy(callback), num_train_epochs=1).train()
    return events(OUT / "copied")


def numbered_labels() -> dict[str, Any]:
    model = network(id2label={0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"})
    callback = pickle.loads(pickle.dumps(copy.deepcopy(WeightVisualizationCallback(views=["classes"]))))
    trainer("labels", callback, model=model, num_train_epochs=1).train()
    return events(OUT / "labels")


def best_model() -> dict[str, Any]:
    """Stopped early, with the best weights loaded at the end: the last snapshot is not of them."""
    seen = Seen()
    early = EarlyStoppingCallback(early_stopping_patience=1)
    callback = WeightVisualizationCallback(views=["statistics", "evolution"], max_overhead=None)
    strategies = {"eval_strategy": "epoch", "save_strategy": "epoch", "load_best_model_at_end": True}
    one = trainer("best", early, callback, seen, num_train_epochs=10, learning_rate=0.5, **strategies)
    one.train()
    return {"log": events(OUT / "best"), "seen": seen.epochs, "last": rms(one.model.classifier.weight.detach().numpy())}


def broken_view() -> dict[str, Any]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        one = trainer("broken", WeightVisualizationCallback(views=["broken", "statistics"]))
        one.train()
    said = [str(w.message) for w in caught if "no colours left" in str(w.message)]
    return {"said": said, "log": events(OUT / "broken"), "same": same(weights(PLAIN), weights(one))}


def stopped() -> dict[str, Any]:
    """By an alert, and by names that fit no head."""
    found = {}
    model = network()
    with torch.no_grad():
        model.classifier.weight[0, 0] = torch.nan
    for name, arguments in (("alert", {"on_alert": "raise"}), ("names", {"class_names": ["a", "b"]})):
        try:
            trainer(
                name, WeightVisualizationCallback(views=["statistics", "classes"], **arguments), model=model
            ).train()
        except Exception as error:
            found[name] = [type(error).__name__, str(error)]
    return found | {"log": events(OUT / "alert")}


def documented() -> Any:
    os.chdir(OUT)
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(OUT / "documented")
    exec(program("docs/hosts.md", "TrainingArguments("), {"model": network(), "data": Sentences()})
    return events(OUT / "documented")


def interrupted() -> dict[str, Any]:
    callback = WeightVisualizationCallback(max_overhead=None, animation=True)
    try:
        trainer("interrupted", callback, Seen(fail_at=2 * STEPS + 1)).train()
    except KeyboardInterrupt:
        callback.finish()
    return events(OUT / "interrupted")


SCENARIOS: tuple[Callable[[], Any], ...] = (
    *(watched, by_steps, on_a_page, resumed, two_callbacks, copied_model, numbered_labels, best_model, broken_view),
    *(stopped, documented, interrupted),
)
save(OUT / "results.json", {scenario.__name__: scenario() for scenario in SCENARIOS})
# Ctrl-C that nobody catches: what is left is written when the process ends.
trainer("ended", WeightVisualizationCallback(max_overhead=None, animation=True), Seen(fail_at=2 * STEPS + 1)).train()
