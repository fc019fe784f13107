"""Fits Keras models of the backend of ``KERAS_BACKEND`` with the callback, and saves what it logged; run by a test."""

from __future__ import annotations

import copy
import os
import pickle
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning_weightviz.keras import WeightVisualizationCallback  # first: it brings Keras itself

import keras  # isort: skip
from sklearn.datasets import load_digits
from torch.utils.tensorboard import SummaryWriter

from lightning_weightviz.run import schedule
from lightning_weightviz.views import Scene, view
from tests.frameworks.records import events, files, program, rms, same, save
from tests.support.pages import names_on, run_of

# A busy machine loses no pictures to the budget.
schedule.FREE_SECONDS = 600.0
OUT = Path(sys.argv[1])
X, Y = load_digits(return_X_y=True)
X = (X / 16).astype("float32").reshape(-1, 8, 8)
EPOCHS = 3
BATCHES = 57


@view("broken")
def broken(scene: Scene) -> Any:
    """A view that cannot draw."""
    raise RuntimeError("no colours left")


def sequential() -> keras.Sequential:
    """Takes pictures, so that templates are drawn."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Flatten(), keras.layers.Dense(16, activation="relu", name="fc1")]
    model = keras.Sequential([keras.Input((8, 8)), *layers, keras.layers.Dense(10, name="fc2")])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    return model


LOSSES: dict[str, list[float]] = {}
"""What the newest scene with a view `losses` knew of losses."""


@view("losses")
def losses(scene: Scene) -> Any:
    """Draws nothing."""
    LOSSES.clear()
    LOSSES.update({name: values.tolist() for name, values in scene.memory.metrics.items()})
    return ()


class Subclassed(keras.Model):  # type: ignore[misc]  # Keras has no types
    """Has no weights before the first batch."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = keras.layers.Dense(16, activation="relu", name="hidden")
        self.answer = keras.layers.Dense(10, name="answer")

    def call(self, x: Any) -> Any:
        return self.answer(self.hidden(keras.ops.reshape(x, (-1, 64))))


class Seen(keras.callbacks.Callback):  # type: ignore[misc]
    """Remembers weights at the ends of epochs and of some batches."""

    def __init__(self, every: int = 0, fail_at: int | None = None) -> None:
        super().__init__()
        self.epochs: list[float] = []
        self.losses: list[float] = []
        self.batches: dict[int, float] = {}
        self._every, self._count, self._fail_at = every, 0, fail_at

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.epochs.append(rms(self.model.get_layer("fc1").kernel.numpy()))
        self.losses.append(float(logs["loss"]))

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if self._every and self._count and self._count % self._every == 0:
            self.batches[self._count] = rms(self.model.get_layer("fc1").kernel.numpy())
        if self._count == self._fail_at:
            raise KeyboardInterrupt
        self._count += 1


def fit(model: Any, *callbacks: Any, epochs: int = EPOCHS, **arguments: Any) -> Any:
    """The weights after a fit."""
    history = model.fit(X, Y, epochs=epochs, verbose=0, callbacks=list(callbacks), **arguments)
    assert len(history.history["loss"]) == epochs - arguments.get("initial_epoch", 0)
    return model.get_weights()


PLAIN = fit(sequential())
"""Weights after a training without the callback."""


def watched_by_epochs() -> dict[str, Any]:
    writer, seen = SummaryWriter(OUT / "epochs"), Seen()
    callback = WeightVisualizationCallback(
        loggers=writer,
        targets=("weights", "updates"),
        max_overhead=None,
        views=["heatmap", "statistics", "evolution", "classes", "histogram", "losses"],
    )
    assert isinstance(callback, keras.callbacks.Callback)
    watched = fit(sequential(), seen, callback)
    writer.close()
    before = rms(sequential().get_layer("fc1").kernel.numpy())
    known = {"before": before, "seen": seen.epochs, "losses": LOSSES["loss"], "logged": seen.losses}
    return {"log": events(OUT / "epochs"), **known, "same": same(PLAIN, watched)}


def by_steps() -> dict[str, Any]:
    seen = Seen(every=20)
    callback = WeightVisualizationCallback(
        "fc1",
        every_n_epochs=None,
        every_n_train_steps=20,
        folder=OUT / "steps",
        views=["statistics"],
        max_overhead=None,
    )
    model = sequential()
    watched = fit(model, callback, seen)
    return {"log": files(OUT / "steps"), "seen": seen.batches, "same": same(PLAIN, watched)}


def further_fits() -> dict[str, Any]:
    model = sequential()
    callback = WeightVisualizationCallback(folder=OUT / "further", views=["statistics"], max_overhead=None)
    fit(model, callback, epochs=2)
    fit(model, callback, epochs=4, initial_epoch=2)
    # A copy knows the arguments alone.
    fit(sequential(), pickle.loads(pickle.dumps(copy.deepcopy(callback))), epochs=1)
    return files(OUT / "further")


def by_hand() -> dict[str, Any]:
    """A loop of the user's own, with Keras' list of callbacks, and with the callback alone, untold of the beginning."""
    logs = {}
    callback = WeightVisualizationCallback(
        loggers=SummaryWriter(OUT / "listed"), views=["statistics"], max_overhead=None
    )
    for name, told in (("listed", True), ("untold", False)):
        # The copy writes to the same logger.
        model, hooks = sequential(), copy.deepcopy(callback)
        if told:
            hooks = keras.callbacks.CallbackList([hooks], model=model)
            hooks.on_train_begin()
        else:
            hooks.set_model(model)
        for epoch in range(2):
            hooks.on_epoch_begin(epoch)
            for batch in range(4):
                hooks.on_train_batch_begin(batch)
                model.train_on_batch(X[:64], Y[:64])
                hooks.on_train_batch_end(batch)
            hooks.on_epoch_end(epoch)
        hooks.on_train_end()
        logs[name] = rms(model.get_layer("fc1").kernel.numpy())
    return logs | {"log": events(OUT / "listed")}


def on_a_page() -> dict[str, Any]:
    """The page as it was written, and as the callback gives it when the training is over."""
    callback = WeightVisualizationCallback(folder=OUT / "page", report=True, views=["statistics"], max_overhead=None)
    before = names_on(callback.page.content)
    fit(sequential(), callback)
    written, now = OUT / "page" / "weightviz" / "report.html", callback.page.content
    title, names = run_of(now)["title"], names_on(now)
    return {"before": before, "same": written.read_bytes() == now, "names": names, "title": title}


def subclassed() -> dict[str, Any]:
    model = Subclassed()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(X, Y, epochs=2, verbose=0, callbacks=[WeightVisualizationCallback(folder=OUT / "subclassed")])
    return files(OUT / "subclassed")


def broken_view() -> dict[str, Any]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        callback = WeightVisualizationCallback(folder=OUT / "broken", views=["broken", "statistics"])
        watched = fit(sequential(), callback)
    said = [str(one.message) for one in caught if "no colours left" in str(one.message)]
    return {"said": said, "log": files(OUT / "broken"), "same": same(PLAIN, watched)}


def alert() -> dict[str, Any]:
    model = sequential()
    callback = WeightVisualizationCallback(folder=OUT / "alert", views=["statistics"], on_alert="raise")
    model.compile(keras.optimizers.SGD(float("nan")), model.loss)
    try:
        fit(model, callback)
    except Exception as error:
        return {"raised": [type(error).__name__, str(error)], "log": files(OUT / "alert")}
    return {"raised": None}


def interrupted() -> dict[str, Any]:
    writer = SummaryWriter(OUT / "interrupted")
    callback = WeightVisualizationCallback(loggers=writer, max_overhead=None, animation=True)
    try:
        fit(sequential(), Seen(fail_at=2 * BATCHES + 5), callback)
    except KeyboardInterrupt:
        callback.finish()
    return events(OUT / "interrupted")


def documented() -> list[str]:
    os.chdir(OUT)
    exec(program("README.md", "lightning_weightviz.keras"), {"model": sequential(), "x": X, "y": Y})
    exec(program("docs/hosts.md", "keras.Sequential"), {"x": X.reshape(len(X), -1), "y": Y})
    pictures = events(OUT / "runs" / "keras")["images"], files(OUT / "runs" / "keras")["images"]
    return [next(name for name in these if "heatmap" in name) for these in pictures]


def refused() -> list[str]:
    said = []
    wrong: list[dict[str, Any]] = [{"targets": ["gradients"]}, {"statistics": ["update_ratio"]}]
    for arguments in [*wrong, {"bins": 0}, {"folder": 3}, {"bin": 1}]:
        try:
            WeightVisualizationCallback(**arguments)
        except (TypeError, ValueError) as error:
            said.append(f"{type(error).__name__}: {error}")
    return said


SCENARIOS: tuple[Callable[[], Any], ...] = (
    *(
        watched_by_epochs,
        by_steps,
        on_a_page,
        further_fits,
        by_hand,
        subclassed,
        broken_view,
        alert,
        interrupted,
        documented,
    ),
    refused,
)
save(OUT / "results.json", {scenario.__name__: scenario() for scenario in SCENARIOS})
# Ctrl-C that nobody catches: what is left is written when the process ends.
callback = WeightVisualizationCallback(loggers=SummaryWriter(OUT / "ended"), max_overhead=None, animation=True)
fit(sequential(), Seen(fail_at=2 * BATCHES + 5), callback)
