"""The arguments that users give, checked once: what is wrong is named, with its value and what is allowed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal, cast, get_args

from matplotlib import colormaps

from lightning_weightviz.findings.support.chosen import chosen_alerts
from lightning_weightviz.measure import STATISTICS
from lightning_weightviz.memory import ColorRange
from lightning_weightviz.model.measuring import Measuring
from lightning_weightviz.model.selection import Choice
from lightning_weightviz.snapshot import Target
from lightning_weightviz.views import VIEWS, Style

OnAlert = Literal["warn", "raise", "ignore"]

DEFAULT_VIEWS = ("heatmap", "histogram", "statistics", "distribution", "evolution", "classes", "overview")
DEFAULT_STATISTICS = (
    "rms",
    "std",
    "absmax",
    "zero_fraction",
    "nan_count",
    "inf_count",
    "rotation",
    "relative_change",
    "update_ratio",
    "stable_rank",
    "dead_units",
)


@dataclass(frozen=True)
class Settings:
    """Every argument of `WeightVisualizationCallback`, whose docstring explains them, in one normal form.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: An argument has a value that is not allowed.
    """

    layers: Sequence[str] | None = None
    exclude: Sequence[str] = ()
    every_n_epochs: int | None = 1
    every_n_train_steps: int | None = None
    log_initial: bool = True
    targets: Sequence[Target] = ("weights",)
    views: Sequence[str] = DEFAULT_VIEWS
    statistics: Sequence[str] = DEFAULT_STATISTICS
    max_layers: int = 12
    image_size: int = 256
    bins: int = 64
    colormap: str = "RdBu_r"
    color_range: ColorRange = "run"
    input_shape: Sequence[int] | None = None
    class_names: Sequence[str] | None = None
    head: str | None = None
    animation: bool = False
    on_alert: OnAlert = "warn"
    background: bool = True
    max_overhead: float | None = 0.01
    alerts: Mapping[str, Mapping[str, float] | None] | None = None
    report: bool = False
    fused: bool = False
    prefix: str = ""
    sinks: Sequence[Any] | None = None

    def __post_init__(self) -> None:
        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        put("layers", None if self.layers is None else _globs("layers", self.layers))
        put("exclude", _globs("exclude", self.exclude))
        for name in ("every_n_epochs", "every_n_train_steps"):
            if getattr(self, name) is not None:
                put(name, _whole_number(name, getattr(self, name), 1, "or None to switch it off"))
        if self.every_n_epochs is None and self.every_n_train_steps is None and not self.log_initial:
            raise ValueError(
                "every_n_epochs=None, every_n_train_steps=None and log_initial=False would never take a snapshot; "
                "set one of them"
            )
        for name in ("log_initial", "animation", "background", "report", "fused"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be True or False, got {getattr(self, name)!r}")
        put("targets", _words("targets", self.targets, get_args(Target)))
        put("views", _words("views", self.views, VIEWS, empty=True))
        put("statistics", _words("statistics", self.statistics, STATISTICS, empty=True))
        for name, least in (("max_layers", 0), ("image_size", 8), ("bins", 1)):
            put(name, _whole_number(name, getattr(self, name), least))
        _word("colormap", self.colormap, list(colormaps), "any name in matplotlib.colormaps")
        put("color_range", _color_range(self.color_range))
        put("input_shape", None if self.input_shape is None else _input_shape(self.input_shape))
        put("class_names", None if self.class_names is None else _class_names(self.class_names))
        if not (self.head is None or (isinstance(self.head, str) and self.head)):
            raise TypeError(f"head must be the name of a parameter or None, got {self.head!r}")
        _word("on_alert", self.on_alert, get_args(OnAlert))
        put("max_overhead", None if self.max_overhead is None else _share("max_overhead", self.max_overhead))
        put("alerts", None if self.alerts is None else chosen_alerts(self.alerts))
        if not isinstance(self.prefix, str):
            raise TypeError(f"prefix must be a string, got {self.prefix!r}")
        put("sinks", None if self.sinks is None else _sinks(self.sinks))

    @property
    def needs_start(self) -> bool:
        """Whether a view shows changes since the first snapshot."""
        return any(VIEWS[name].needs_start for name in self.views)

    @property
    def needs_spectra(self) -> bool:
        """Whether a view, or the page, shows singular values."""
        return self.report or any(VIEWS[name].needs_spectra for name in self.views)

    @property
    def choice(self) -> Choice:
        """Which parameters the user wants to see."""
        return Choice(
            layers=self.layers,
            exclude=self.exclude,
            max_layers=self.max_layers,
            head=self.head,
            input_shape=cast("tuple[int, int, int] | None", self.input_shape),
            class_names=self.class_names,
        )

    @property
    def measuring(self) -> Measuring:
        """What is measured of them."""
        return Measuring(
            targets=tuple(self.targets),
            image_size=self.image_size,
            statistics=tuple(self.statistics),
            means=self.needs_start,
            background=self.background,
            fused=self.fused,
        )

    @property
    def style(self) -> Style:
        """What views need of it."""
        return Style(
            colormap=self.colormap,
            bins=self.bins,
            statistics=tuple(self.statistics),
            log_all=self.layers is not None,
            animation=self.animation,
        )


def _whole_number(name: str, value: object, least: int, otherwise: str = "") -> int:
    allowed = f"a whole number of at least {least} {otherwise}".strip()
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be {allowed}, got {value!r}")
    if value < least:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return int(value)


def _share(name: str, value: object) -> float:
    allowed = "a share of the training time, above 0 and at most 1, or None for no limit"
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be {allowed}, got {value!r}")
    if not 0 < float(value) <= 1:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")
    return float(value)


def _strings(name: str, value: object, what: str) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Collection) or not all(isinstance(v, str) for v in value):
        raise TypeError(f"{name} must be a list of {what}, got {value!r}")
    return tuple(value)


def _globs(name: str, value: object) -> tuple[str, ...]:
    globs = (value,) if isinstance(value, str) else _strings(name, value, "globs over parameter names")
    if not all(globs):
        raise ValueError(f"{name} must not hold an empty glob, got {value!r}")
    return globs


def _word(name: str, value: object, allowed: Collection[str], described: str = "") -> None:
    described = described or "one of " + ", ".join(repr(word) for word in allowed)
    if not isinstance(value, str):
        raise TypeError(f"{name} must be {described}, got {value!r}")
    if value not in allowed:
        near = difflib.get_close_matches(value, allowed, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"{name} must be {described}, got {value!r}.{hint}")


def _words(name: str, value: object, allowed: Collection[str], *, empty: bool = False) -> tuple[str, ...]:
    words = _strings(name, value, "words from " + ", ".join(repr(word) for word in allowed))
    if not words and not empty:
        raise ValueError(f"{name} must hold at least one of {', '.join(repr(word) for word in allowed)}, got {value!r}")
    for word in words:
        _word(name, word, allowed)
    return tuple(dict.fromkeys(words))


def _color_range(value: object) -> ColorRange:
    words = ("run", "init", "epoch")
    described = "'run', 'init', 'epoch' or a positive number"
    if isinstance(value, str):
        _word("color_range", value, words, described)
        return value  # type: ignore[return-value]  # `_word` let only the three pass
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"color_range must be {described}, got {value!r}")
    if not (float(value) > 0 and math.isfinite(value)):
        raise ValueError(f"color_range must be {described}, got {value!r}")
    return float(value)


def _input_shape(value: object) -> tuple[int, int, int]:
    described = "(channels, height, width) or (height, width) of the input, with 1 or 3 channels"
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"input_shape must be {described}, got {value!r}")
    if not all(isinstance(length, Integral) and not isinstance(length, bool) for length in value):
        raise TypeError(f"input_shape must be {described}, got {value!r}")
    shape = tuple(int(length) for length in (value if len(value) != 2 else (1, *value)))
    if len(shape) != 3 or min(shape) < 1 or shape[0] not in (1, 3):
        raise ValueError(f"input_shape must be {described}, got {value!r}")
    return shape


def _class_names(value: object) -> tuple[str, ...]:
    names = _strings("class_names", value, "names, one a class in the order of the head's rows")
    if not names:
        raise ValueError("class_names must hold one name a class, got none")
    return names


def _sinks(value: object) -> tuple[Any, ...]:
    described = "a list of objects with write(batch) and flush()"
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"sinks must be {described}, got {value!r}")
    for sink in value:
        for method in ("write", "flush"):
            if not callable(getattr(type(sink), method, None)):
                raise TypeError(f"sinks must be {described}, got {sink!r}, which has no {method}()")
    return tuple(value)
