"""visualize_weights: a model's weights in one matplotlib figure, or on a page, without a Trainer or a logger."""

from __future__ import annotations

import difflib
import io
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, overload

import numpy as np
from matplotlib.figure import Figure
from torch import nn

from lightning_weightviz.artifacts import Image
from lightning_weightviz.findings.support.engine import check
from lightning_weightviz.measure import Meter
from lightning_weightviz.memory import ColorRange, History
from lightning_weightviz.model.class_head import head_source
from lightning_weightviz.model.class_names import check_class_names, fitting_names
from lightning_weightviz.model.evidence import Trace
from lightning_weightviz.model.files import read_checkpoint
from lightning_weightviz.model.keras_model import is_keras_model, mirror_of_model
from lightning_weightviz.model.names import matches, title_of
from lightning_weightviz.model.selection import Selection, select
from lightning_weightviz.model.sites import parameter_names
from lightning_weightviz.model.state_dict import module_of
from lightning_weightviz.model.values import value_of
from lightning_weightviz.page.document import document
from lightning_weightviz.page.shown import WeightPage
from lightning_weightviz.report import Seen, data_of
from lightning_weightviz.settings import Settings
from lightning_weightviz.views import Scene
from lightning_weightviz.views.support.render import render
from lightning_weightviz.visualizer import Moment, scene_of

DPI = 100
SPACE = 16
"""Pixels between pages."""
SHOWN_NAMES = 20


class WeightFigure(Figure):
    """A figure that a notebook shows even if pyplot was never imported."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png")
        return buffer.getvalue()


@dataclass(frozen=True)
class _Place:
    """Where a page is, in pixels from the upper left corner of the figure."""

    page: Image
    left: int
    top: int


@overload
def visualize_weights(
    model: nn.Module | Mapping[str, Any] | str | os.PathLike[str] | Any,
    layer: str | None = None,
    *,
    exclude: Sequence[str] = ...,
    views: Sequence[str] = ...,
    max_layers: int = ...,
    image_size: int = ...,
    colormap: str = ...,
    color_range: ColorRange = ...,
    input_shape: tuple[int, int, int] | tuple[int, int] | None = ...,
    class_names: Sequence[str] | None = ...,
    head: str | None = ...,
    interactive: Literal[False] = ...,
) -> Figure: ...


@overload
def visualize_weights(
    model: nn.Module | Mapping[str, Any] | str | os.PathLike[str] | Any,
    layer: str | None = None,
    *,
    exclude: Sequence[str] = ...,
    views: Sequence[str] = ...,
    max_layers: int = ...,
    image_size: int = ...,
    colormap: str = ...,
    color_range: ColorRange = ...,
    input_shape: tuple[int, int, int] | tuple[int, int] | None = ...,
    class_names: Sequence[str] | None = ...,
    head: str | None = ...,
    interactive: Literal[True],
) -> WeightPage: ...


def visualize_weights(
    model: nn.Module | Mapping[str, Any] | str | os.PathLike[str] | Any,
    layer: str | None = None,
    *,
    exclude: Sequence[str] = (),
    views: Sequence[str] = ("heatmap",),
    max_layers: int = 12,
    image_size: int = 256,
    colormap: str = "RdBu_r",
    color_range: ColorRange = "run",
    input_shape: tuple[int, int, int] | tuple[int, int] | None = None,
    class_names: Sequence[str] | None = None,
    head: str | None = None,
    interactive: bool = False,
) -> Figure | WeightPage:
    """Draws weights as they are now: of one layer, or of the whole model.

    The pages are those that `WeightVisualizationCallback` logs. Weights may be on any device and of any dtype; neither
    the model nor the random state changes.

    Args:
        model: A module, a LightningModule, a state dict, a checkpoint that holds one under ``state_dict``, a Keras 3
            model of any backend, or the path of a file: ``.ckpt``, ``.pt``, ``.pth``, ``.safetensors``,
            ``model.safetensors.index.json``, ``.keras`` or ``.weights.h5``. Nothing that a file holds is run. A
            ``.weights.h5`` does not name classes, variables or outputs; they are guessed from keys and shapes.
        layer: A parameter's name, a module's name, which stands for all its parameters, or a glob over names, for
            instance ``"fc1"``, ``"fc1.weight"`` or ``"encoder.*.weight"``. None: all.
        exclude: Globs of parameters to exclude.
        views: Which pictures to draw, each of ``"heatmap"``, ``"distribution"``, ``"classes"``, ``"overview"``, …
        max_layers: How many parameters are drawn: the first, the last and evenly between.
        image_size: Maximum number of cells per axis of a picture; larger matrices are pooled.
        colormap: Any matplotlib name, for signed values.
        color_range: A positive number, or ``"run"``, ``"init"`` or ``"epoch"``, which are the same for a single moment.
        input_shape: (channels, height, width) or (height, width) of the input, for the units of a first Linear and
            for templates of the classes.
        class_names: One name per class, in the order of the head's rows.
        head: Name of the weight whose rows are the classes. None: what metrics, losses and
            `class_names` tell, else the last trained Linear or 1×1 convolution.
        interactive: Whether to give a page instead of a figure, on which layers can be searched and weights read;
            `views` and `colormap` have no effect then.

    Returns:
        A figure of 100 dpi with one axes per page, labelled with its tag, for instance ``weights.heatmap/fc1.weight``;
        saved at that resolution it holds the pages pixel by pixel (with matplotlib 3.11 or newer). It is not registered
        with pyplot. With `interactive` a page, which a notebook shows and ``save("weights.html")`` writes.

    Raises:
        TypeError: An argument has the wrong type.
        ValueError: No parameter matches `layer`, none that match can be shown, an argument has a value that is not
            allowed, or the file is damaged or holds objects that only running its code could build.
        FileNotFoundError: There is no such file.

    Warns:
        UserWarning: More than `max_layers` parameters match.

    Example:
        >>> figure = visualize_weights(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)), "0")
        >>> [axes.get_label() for axes in figure.axes]
        ['weights.heatmap/0.weight', 'weights.heatmap/0.bias']
    """
    if not (layer is None or isinstance(layer, str)):
        raise TypeError(f"layer must be a parameter's name, a module's name, a glob or None, got {layer!r}")
    if not isinstance(interactive, bool):
        raise TypeError(f"interactive must be True or False, got {interactive!r}")
    settings = Settings(
        layers=None if layer is None else [layer],
        exclude=exclude,
        views=("classes",) if interactive else views,
        max_layers=max_layers,
        image_size=image_size,
        colormap=colormap,
        color_range=color_range,
        input_shape=input_shape,
        class_names=class_names,
        head=head,
    )
    module, trace, settings = _read(model, settings)
    scene = _scene(_select(module, layer, settings, trace), settings)
    if interactive:
        title = f"Weights of {Path(model).name}" if isinstance(model, (str, os.PathLike)) else title_of(module)
        judged = check(scene.snapshot)
        return WeightPage(document(data_of(title, Seen(scene, judged, judged.open))))
    batch = render(scene, settings.views).whole()
    pages = [artifact for artifact in batch.artifacts if isinstance(artifact, Image)]
    if not pages:
        raise ValueError(
            f"views {', '.join(map(repr, settings.views))} cannot be drawn for this model from one snapshot"
        )
    return _figure(pages)


def _read(model: Any, settings: Settings) -> tuple[nn.Module, Trace | None, Settings]:
    """The modules of what was given, the evidence of its head, and the settings, with the input's shape if told."""
    # Keras' layers are modules themselves where PyTorch computes them.
    if is_keras_model(model):
        mirrored = mirror_of_model(model, settings.choice.input_shape)
        return mirrored.module, mirrored.trace, replace(settings, input_shape=mirrored.input_shape)
    if isinstance(model, nn.Module):
        return model, None, settings
    if isinstance(model, (str, os.PathLike)):
        mirrored = read_checkpoint(model).mirrored(settings.choice.input_shape)
        return mirrored.module, mirrored.trace, replace(settings, input_shape=mirrored.input_shape)
    if isinstance(model, Mapping):
        return module_of(model), None, settings
    raise TypeError(
        "model must be a torch.nn.Module, a state dict, a Keras model or the path of a file, "
        f"got {type(model).__name__}"
    )


def _select(module: nn.Module, layer: str | None, settings: Settings, trace: Trace | None) -> Selection:
    """What to draw, or an error that lists what there is."""
    names = parameter_names(module)
    if not names:
        raise ValueError("model has no parameters to show")
    if layer is not None and not any(matches(name, layer) for name in names):
        prefixes = {name.rpartition(".")[0] for name in names}
        near = difflib.get_close_matches(layer, [*names, *sorted(prefixes)], n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        more = f", … and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
        there = ", ".join(names[:SHOWN_NAMES]) + more
        raise ValueError(f"layer: no parameter is called {layer!r}; available: {there}.{hint}")
    selection = select(module, settings.choice, trace=trace)
    if not selection.sites:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in selection.skipped.items())
        raise ValueError(f"no parameter is left to show{f': {reasons}' if reasons else ''}")
    drawn = sum(site.parameter.pictured for site in selection.sites)
    if drawn < len(selection.sites):
        warnings.warn(
            f"{drawn} of {len(selection.sites)} parameters are drawn; name a layer, or set max_layers", stacklevel=3
        )
    if "classes" in settings.views:
        check_class_names(settings.class_names, selection.heads)
    return selection


def _scene(selection: Selection, settings: Settings) -> Scene:
    """What is selected, measured."""
    names = settings.class_names
    found = selection.heads if "classes" in settings.views else ()
    heads = [head_source(head, fitting_names(names, head)) for head in found]
    parameters = [site.parameter for site in selection.sites]
    meter = Meter(parameters, image_size=settings.image_size, statistics=settings.statistics)
    values = [value_of(site.place) for site in selection.sites]
    there = [head for head in heads if head is not None]
    measured = meter.measure(values, there, spectra=settings.needs_spectra).result()
    moment = Moment(step=0, epoch=0, timeless=True)
    return scene_of({"weights": measured}, moment, History(settings.color_range), settings)


def _figure(pages: Sequence[Image]) -> Figure:
    """One column, or two, in which each page goes to the shorter one."""
    columns = min(len(pages), 2)
    places, ends, width = [], [0] * columns, pages[0].pixels.shape[1]
    for page in pages:
        column = ends.index(min(ends))
        places.append(_Place(page, column * (width + SPACE), ends[column]))
        ends[column] += len(page.pixels) + SPACE
    total, height = columns * (width + SPACE) - SPACE, max(ends) - SPACE
    figure = WeightFigure(figsize=(total / DPI, height / DPI), dpi=DPI, facecolor="white")
    for place in places:
        pixels = place.page.pixels
        share = (
            place.left / total,
            1 - (place.top + len(pixels)) / height,
            width / total,
            len(pixels) / height,
        )
        axes = figure.add_axes(share, label=place.page.tag)
        axes.imshow(np.asarray(pixels), interpolation="none", aspect="auto")
        axes.set_axis_off()
    return figure
