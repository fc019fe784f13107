"""Runs as the page gets them, made by numpy: digits, convolutions, attention, pooled maps, classes, hostile names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lightning_weightviz.findings import Finding
from lightning_weightviz.page.data import (
    MAX_FRAMES,
    Classes,
    Histograms,
    Layer,
    Map,
    PageData,
    Series,
    Spectra,
    When,
)
from lightning_weightviz.snapshot import Parameter, pool_extreme, pool_mean

Array = npt.NDArray[np.float32]

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
HOSTILE = (
    "block.<script>document.title='owned'</script>.weight",
    "block.</script><img src=x onerror=document.title=1>.weight",
    "block.\"quoted' & <b>bold</b>`.weight",
    "block." + "long" * 74 + ".weight",
    "block.\u202egnol.שלום.weight",
    "block.\u2028line\u2029.__proto__.constructor",
)


def moments(count: int, steps: int = 45) -> tuple[When, ...]:
    """Snapshots at the end of each epoch of so many steps."""
    return tuple(When(index, index, max(index * steps - 1, 0)) for index in range(count))


def kept(times: Sequence[When]) -> tuple[When, ...]:
    """At most `MAX_FRAMES` of them, closer together at the start."""
    last = len(times) - 1
    places = np.unique(np.rint(np.geomspace(1, last + 1, min(MAX_FRAMES, len(times)))).astype(int) - 1)
    return tuple(times[place] for place in places)


def trajectory(rng: np.random.Generator, shape: tuple[int, ...], frames: int, fan: int) -> Array:
    """Weights that start as noise and move, fast at first, towards what has rank 3: (frames, *shape), float32."""
    rows, columns = shape[0], int(np.prod(shape[1:], dtype=int))
    noise = rng.uniform(-1, 1, (rows, columns)) / np.sqrt(fan)
    smooth = np.cumsum(rng.normal(size=(columns, 3)), axis=0) / np.sqrt(columns)
    learned = rng.normal(size=(rows, 3)) @ smooth.T
    learned *= 2.2 * np.abs(noise).mean() / max(np.abs(learned).mean(), 1e-9)
    share = 1 - np.exp(-np.linspace(0, 3, frames))
    grown = [
        noise * (1 - 0.35 * part) + learned * part + rng.normal(size=noise.shape) * 0.02 * part / np.sqrt(fan)
        for part in share
    ]
    return np.stack(grown).reshape(frames, *shape).astype(np.float32)


def limit_of(values: Array) -> float:
    """R, as the pictures choose it: all but the outermost half percent are inside."""
    finite = np.abs(values[np.isfinite(values)])
    return (float(np.quantile(finite, 0.995)) if finite.size else 0.0) or 1.0


def curves(rng: np.random.Generator, times: Sequence[When], size: float, speed: float) -> dict[str, Array]:
    """Statistics as a training has them."""
    along = np.linspace(0, 1, len(times))
    learned = 1 - np.exp(-4 * speed * along)
    noise = 1 + 0.04 * rng.normal(size=len(times))
    absent = np.where(along > 0, 1.0, np.nan)
    return {
        name: np.asarray(values, np.float32)
        for name, values in {
            "rms": size * (1 + 0.8 * speed * learned),
            "std": size * (1 + 0.8 * speed * learned) * 0.99,
            "absmax": size * 4 * (1 + 0.7 * learned * speed),
            "zero_fraction": np.zeros(len(times)),
            "nan_count": np.zeros(len(times)),
            "inf_count": np.zeros(len(times)),
            "rotation": 1 - np.cos(np.minimum(1.2 * learned * speed, 1.5)),
            "relative_change": absent * 0.3 * speed * np.exp(-3 * along) * noise,
            "update_ratio": absent * 3e-3 * speed * np.exp(-2 * along) * noise,
            "stable_rank": 24 - 14 * learned * speed,
            "dead_units": np.floor(4 * learned * (speed < 0.3)),
        }.items()
    }


def matrix_map(values: Array, cells: tuple[int, int] = (256, 256), name: str = "values") -> Map:
    """A map of whole weights over time, (F, rows, columns), pooled where they are more than `cells` an axis."""
    frames, rows, columns = values.shape
    height, width = min(rows, cells[0]), min(columns, cells[1])
    if (height, width) == (rows, columns):
        return Map(name, np.arange(frames), values, (rows, columns), limit_of(values))
    pooled = np.stack([pool_extreme(frame, height, width) for frame in values]).astype(np.float32)
    rms = np.sqrt(np.stack([pool_mean(np.square(frame, dtype=np.float64), height, width) for frame in values]))
    return Map(name, np.arange(frames), pooled, (rows, columns), limit_of(pooled), rms.astype(np.float32))


def histograms_of(values: Array, bins: int = 64) -> Histograms:
    """Distributions of (F, …) over time."""
    frames = len(values)
    flat = values.reshape(frames, -1)
    edges, counts = [], []
    for row in flat:
        finite = row[np.isfinite(row)]
        top = float(np.abs(finite).max()) or 1.0
        count, edge = np.histogram(finite, bins, (-top, top))
        edges.append(edge)
        counts.append(count)
    return Histograms(np.arange(frames), np.stack(edges), np.stack(counts).astype(np.int64))


def spectra_of(values: Array, most: int = 64) -> Spectra:
    """Singular values of (F, rows, columns) over time, and the edge of noise of the same spread."""
    singular = np.linalg.svd(values, compute_uv=False)[:, :most].astype(np.float32)
    rows, columns = values.shape[1:]
    edges = values.std(axis=(1, 2)) * (np.sqrt(rows) + np.sqrt(columns))
    return Spectra(np.arange(len(values)), singular, edges.astype(np.float32), most >= min(rows, columns))


def matrix_layer(
    rng: np.random.Generator,
    name: str,
    shape: tuple[int, int],
    times: Sequence[When],
    *,
    speed: float = 1.0,
    spectrum: bool = True,
    gradients: bool = False,
    change: Callable[[Array], None] = lambda values: None,
    **facts: Any,
) -> tuple[Layer, Array]:
    """A layer with one map of every weight, and its weights over time."""
    values = trajectory(rng, shape, len(kept(times)), shape[1])
    change(values)
    finite = np.nan_to_num(values, posinf=0, neginf=0)
    described: dict[str, Any] = {"kind": "linear", "module": "Linear", "dtype": "float32", "layout": "matrix", **facts}
    parameter = Parameter(name, shape=shape, **described)
    series = Series(
        curves(rng, times, 0.58 / np.sqrt(shape[1]), speed),
        (matrix_map(values, parameter.cells(256, 256)),),
        histograms_of(finite),
        spectra_of(finite) if spectrum else None,
    )
    targets: dict[Any, Series] = {"weights": series}
    if gradients:
        small = trajectory(rng, shape, len(kept(times)), 1000 * shape[1])
        targets["gradients"] = Series(curves(rng, times, 1e-3, speed), (matrix_map(small),), histograms_of(small))
    return Layer(parameter, targets), values


def pooled_layer(rng: np.random.Generator, name: str, side: int, times: Sequence[When]) -> tuple[Layer, Array]:
    """A large matrix, kept at three of the frames; its weights are the pooled cells."""
    kept_at = np.array([0, len(kept(times)) // 2, len(kept(times)) - 1])
    noise = rng.random((side, side), np.float32) - np.float32(0.5)
    learned = (rng.normal(size=(side, 2)) @ rng.normal(size=(2, side))).astype(np.float32)
    maps = [matrix_map((noise / np.float32(32) + learned * np.float32(share))[None]) for share in (0, 0.004, 0.01)]
    cells, rms = (np.concatenate([getattr(one, part) for one in maps]) for part in ("cells", "rms"))
    parameter = Parameter(name, "linear", "Linear", (side, side), "bfloat16", "matrix")
    whole = Map("values", kept_at, cells, (side, side), limit_of(cells), rms)
    return Layer(parameter, {"weights": Series(curves(rng, times, 0.02, 0.5), (whole,))}), cells


def vector_layer(
    rng: np.random.Generator, name: str, length: int, times: Sequence[When], pictured: bool = True, **facts: Any
) -> tuple[Layer, Array]:
    """A bias, one row."""
    values = trajectory(rng, (1, length), len(kept(times)), length)
    described: dict[str, Any] = {"kind": "bias", "module": "Linear", "dtype": "float32", "layout": "vector", **facts}
    maps = (matrix_map(values),) if pictured else ()
    series = Series(curves(rng, times, 0.05, 0.4), maps, histograms_of(values) if pictured else None)
    return Layer(Parameter(name, shape=(length,), **described), {"weights": series}), values


def filters_layer(
    rng: np.random.Generator, name: str, shape: tuple[int, int, int, int], times: Sequence[When], **facts: Any
) -> tuple[Layer, Array]:
    """A layer whose rows are pictures: a convolution's, or with `tile` a Linear's."""
    frames = len(kept(times))
    values = trajectory(rng, shape, frames, int(np.prod(shape[1:])))
    described: dict[str, Any] = {"kind": "conv", "module": "Conv2d", "dtype": "float32", "layout": "filters", **facts}
    own = (shape[0], int(np.prod(shape[1:]))) if "tile" in facts else shape
    picture = Map("filters", np.arange(frames), values, (shape[0], int(np.prod(shape[1:]))), limit_of(values))
    flat = values.reshape(frames, shape[0], -1)
    series = Series(curves(rng, times, 0.03, 0.7), (picture, matrix_map(flat)), histograms_of(values), spectra_of(flat))
    return Layer(Parameter(name, shape=own, **described), {"weights": series}), values


def kernels_layer(
    rng: np.random.Generator, name: str, shape: tuple[int, int, int, int], times: Sequence[When]
) -> tuple[Layer, Array]:
    """A convolution of many channels: norms and sums of its kernels."""
    frames = len(kept(times))
    values = trajectory(rng, shape, frames, int(np.prod(shape[1:])))
    norms = np.linalg.norm(values, axis=(-1, -2)).astype(np.float32)
    sums = values.sum(axis=(-1, -2)).astype(np.float32)
    maps = (
        Map("norms", np.arange(frames), norms, shape[:2], float(norms.max()), signed=False),
        Map("sums", np.arange(frames), sums, shape[:2], limit_of(sums)),
    )
    series = Series(curves(rng, times, 0.03, 0.6), maps, histograms_of(values))
    parameter = Parameter(name, "conv", "Conv2d", shape, "float32", "kernels")
    return Layer(parameter, {"weights": series}), np.stack([norms, sums])


def head_of(rng: np.random.Generator, name: str, weights: Array, names: Sequence[str]) -> Classes:
    """The classes of a layer."""
    centred = weights - weights.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(centred, axis=2)
    cosine = np.einsum("fci,fdi->fcd", centred, centred) / (norms[:, :, None] * norms[:, None])
    cosine[:, np.arange(len(names)), np.arange(len(names))] = np.nan
    frames = len(weights)
    templates = trajectory(rng, (len(names), 1, 28, 28), frames, 784)
    return Classes(
        name,
        tuple(names),
        np.arange(frames),
        norms.astype(np.float32),
        (0.1 * rng.normal(size=norms.shape)).astype(np.float32),
        cosine.astype(np.float32),
        templates,
        limit_of(templates),
    )


def totals_of(rng: np.random.Generator, times: Sequence[When]) -> Mapping[Any, Mapping[str, Array]]:
    """Of the whole model."""
    return {"weights": curves(rng, times, 0.04, 0.6)}


def digits(count: int = 40, seed: int = 0) -> tuple[PageData, dict[str, Array]]:
    """784-128-64-10 as it learns digits; the weights by name, (F, …)."""
    rng = np.random.default_rng(seed)
    times = moments(count)
    layers, values = [], {}
    for made in (
        filters_layer(rng, "fc1.weight", (128, 1, 28, 28), times, kind="linear", module="Linear", tile=(1, 28, 28)),
        vector_layer(rng, "fc1.bias", 128, times),
        matrix_layer(rng, "fc2.weight", (64, 128), times, gradients=True, speed=0.6),
        vector_layer(rng, "fc2.bias", 64, times),
        matrix_layer(rng, "head.weight", (10, 64), times, kind="head", speed=1.1),
        vector_layer(rng, "head.bias", 10, times),
    ):
        layers.append(made[0])
        values[made[0].parameter.name] = made[1]
    head = head_of(rng, "head.weight", values["head.weight"], DIGITS)
    data = PageData(
        "digits 784-128-64-10",
        times,
        kept(times),
        tuple(layers),
        totals_of(rng, times),
        (head,),
        (),
        frozenset(),
        count,
    )
    return data, values


def network(count: int = 60) -> tuple[PageData, dict[str, Array]]:
    """One layer of each kind, with findings; the weights by name, (F, …), of kernels their norms and sums."""
    rng = np.random.default_rng(1)
    times = moments(count, 391)
    blocks = ("q query", "k key", "v value")

    def breaks(values: Array) -> None:
        values[-3:, 17, 40:60] = np.nan
        values[-2:, 33, 5] = np.inf
        values[-1:, 34, 6] = -np.inf

    def dies(values: Array) -> None:
        values[4:, 20:31] = 0

    made = [
        filters_layer(rng, "stem.conv.weight", (64, 3, 7, 7), times),
        kernels_layer(rng, "stage1.conv1.weight", (96, 64, 3, 3), times),
        kernels_layer(rng, "stage1.conv2.weight", (128, 96, 3, 3), times),
        vector_layer(rng, "stage1.norm.weight", 128, times, kind="norm", module="BatchNorm2d"),
        vector_layer(rng, "stage1.norm.bias", 128, times, kind="norm", module="BatchNorm2d"),
        matrix_layer(rng, "blocks.0.attn.in_proj_weight", (192, 96), times, kind="attention",
                     module="MultiheadAttention", blocks=blocks, heads=4, speed=0.8),
        vector_layer(rng, "blocks.0.attn.in_proj_bias", 192, times, blocks=blocks, heads=4),
        matrix_layer(rng, "blocks.0.mlp.fc1.weight", (192, 96), times, change=breaks, speed=0.9),
        matrix_layer(rng, "blocks.0.mlp.fc2.weight", (96, 192), times, change=dies, speed=0.15),
        pooled_layer(rng, "blocks.1.large.weight", 4096, times),
        matrix_layer(rng, "rnn.weight_ih_l0", (256, 48), times, kind="recurrent", module="LSTM",
                     blocks=("i input", "f forget", "g cell", "o output")),
        vector_layer(rng, "pooler.scale", 33, times, pictured=False, kind="other", trainable=False),
        matrix_layer(rng, "classifier.weight", (10, 96), times, kind="head", gradients=True, speed=1.2),
        vector_layer(rng, "classifier.bias", 10, times),
    ]  # fmt: skip
    values = {layer.parameter.name: weights for layer, weights in made}
    frames = kept(times)
    findings = (
        Finding("zero_units", "warning", "blocks.0.mlp.fc2.weight", "unit 20", frames[4].epoch, frames[4].step,
                "blocks.0.mlp.fc2.weight: 11 of 96 units are 0",
                "a learning rate that was too high for a moment, or weight decay on units that nothing uses",
                "lower the learning rate, or leave the layer out of the weight decay"),
        Finding("not_moving", "note", "pooler.scale", None, frames[6].epoch, frames[6].step,
                "pooler.scale has not moved in 10 snapshots", "it is frozen", "nothing where that is meant"),
        Finding("nan", "error", "blocks.0.mlp.fc1.weight", None, frames[-3].epoch, frames[-3].step,
                "blocks.0.mlp.fc1.weight: 20 of 18432 values are NaN",
                "a loss that became NaN or infinite at an earlier step",
                "look at the loss of that step, lower the learning rate, clip gradients", "IEEE 754"),
    )  # fmt: skip
    head = head_of(rng, "classifier.weight", values["classifier.weight"], DIGITS)
    layers = tuple(layer for layer, _ in made)
    totals = totals_of(rng, times)
    return PageData("vision net", times, frames, layers, totals, (head,), findings, frozenset({0, 2}), count), values


def hostile() -> PageData:
    """Names that are markup, quotes, very long, or written from the right."""
    rng = np.random.default_rng(2)
    times = moments(8)
    layers = [matrix_layer(rng, name, (10, 12), times, kind="head")[0] for name in HOSTILE]
    weights = trajectory(rng, (10, 12), len(kept(times)), 12)
    names = [*HOSTILE, "a", "b", "c", ""]
    found = [
        Finding("nan", "error", name, name, 1, 44, f"{name}: 3 of 9 values are NaN", name, name, name)
        for name in HOSTILE
    ]
    head = head_of(rng, HOSTILE[0], weights, names)
    title = "</title><script>document.title='owned'</script>"
    return PageData(title, times, kept(times), tuple(layers), totals_of(rng, times), (head,), tuple(found),
                    frozenset({0}), 8)  # fmt: skip


def deep(count: int = 2000) -> PageData:
    """A model of so many small parameters, most of them without pictures."""
    rng = np.random.default_rng(3)
    times = moments(60)
    layers = []
    for index in range(count):
        name = f"model.layers.{index // 10}.{'attn' if index % 10 < 5 else 'mlp'}.w{index % 10}.weight"
        if index % (count // 12) == 0:
            layers.append(matrix_layer(rng, name, (256, 256), times, spectrum=False)[0])
        else:
            parameter = Parameter(name, "linear", "Linear", (1024, 1024), "bfloat16", "matrix", pictured=False)
            speed = float(rng.uniform(0.05, 1.2))
            layers.append(Layer(parameter, {"weights": Series(curves(rng, times, 0.03, speed))}))
    return PageData("deep", times, kept(times), tuple(layers), totals_of(rng, times), snapshots=60)


def resnet50(snapshots: int = 200) -> PageData:
    """As large as ResNet-50's page is: 161 parameters, 12 of them pictured at 256 × 256 with the rms of each cell."""
    rng = np.random.default_rng(4)
    times = moments(snapshots, 5005)
    frames = kept(times)
    layers = []
    for index in range(161):
        name = f"layer{index // 40}.{index // 4 % 10}.conv{index % 4}.weight"
        statistics = curves(rng, times, 0.03, float(rng.uniform(0.2, 1.2)))
        if index % 13:
            layers.append(Layer(Parameter(name, "conv", "Conv2d", (512, 512, 1, 1), "float32", "kernels"),
                                {"weights": Series(statistics)}))  # fmt: skip
            continue
        values = trajectory(rng, (1024, 512), len(frames), 512)
        parameter = Parameter(name, "linear", "Linear", (1024, 512), "float32", "matrix")
        layers.append(Layer(parameter, {"weights": Series(statistics, (matrix_map(values),), histograms_of(values))}))
    return PageData("resnet50", times, frames, tuple(layers), totals_of(rng, times), snapshots=snapshots)
