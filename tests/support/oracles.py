"""Statistics in numpy float64, written from their definitions, and the tensors that they are compared on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch

from lightning_weightviz.snapshot import Layout, Parameter

Floats = npt.NDArray[np.float64]


def parameter(tensor: torch.Tensor, name: str = "w", *, pictured: bool = True) -> Parameter:
    """A parameter that describes a tensor."""
    layout: Layout = "vector" if tensor.ndim < 2 else "matrix"
    dtype = str(tensor.dtype).removeprefix("torch.")
    return Parameter(name, "linear", "Linear", tuple(tensor.shape), dtype, layout, pictured=pictured)


def numbers(tensor: torch.Tensor) -> Floats:
    """All values as float64, in the tensor's own shape."""
    return tensor.detach().to(torch.float64).numpy()


def _finite(tensor: torch.Tensor) -> Floats:
    values = numbers(tensor).ravel()
    return values[np.isfinite(values)]


def _kurtosis(values: Floats) -> float:
    if values.min() == values.max():
        return float("nan")
    # In units of the spread, as fourth powers of float64 overflow too.
    centred = (values - values.mean()) / values.std()
    return float((centred**4).mean())


def _rows(tensor: torch.Tensor) -> Floats:
    values = numbers(tensor)
    return np.where(np.isfinite(values), values, 0.0).reshape(len(values), -1)


def _dead(tensor: torch.Tensor) -> float:
    """Rows that hold a NaN or an infinity are broken, not dead."""
    if tensor.ndim < 2:
        return float("nan")
    values = numbers(tensor).reshape(len(tensor), -1)
    norms = np.linalg.norm(values[np.isfinite(values).all(1)], axis=1)
    return float((norms <= 1e-6 * np.median(norms)).sum()) if len(norms) else 0.0


def _sigma(tensor: torch.Tensor) -> float:
    return float(np.linalg.svd(_rows(tensor), compute_uv=False)[0]) if tensor.ndim > 1 else float("nan")


def _stable_rank(tensor: torch.Tensor) -> float:
    sigma = _sigma(tensor)
    return float(((_finite(tensor) / sigma) ** 2).sum()) if sigma > 0 else float("nan")


def _values(tensor: torch.Tensor) -> Floats | None:
    """Singular values of a matrix of finite values; None of others."""
    values = numbers(tensor)
    if values.ndim < 2 or not np.isfinite(values).all():
        return None
    found = np.linalg.svd(values.reshape(len(values), -1), compute_uv=False).astype(np.float64)
    # What is left of values of 0 are rounding errors.
    return np.where(found < 1e-6 * found[0], 0.0, found)


def effective_rank(tensor: torch.Tensor) -> float:
    """Exp of the entropy of the shares of the singular values."""
    values = _values(tensor)
    if values is None or values[0] == 0:
        return float("nan")
    shares = values[values > 0] / values.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def outlier_directions(tensor: torch.Tensor) -> float:
    """Singular values beyond the edge of noise."""
    values = _values(tensor)
    if values is None:
        return float("nan")
    rows, columns = numbers(tensor).reshape(len(tensor), -1).shape
    return float((values > numbers(tensor).std() * (rows**0.5 + columns**0.5)).sum())


ORACLES: Mapping[str, Callable[[torch.Tensor], float]] = {
    "mean": lambda w: float(_finite(w).mean()),
    "std": lambda w: float(_finite(w).std()),
    "rms": lambda w: float(np.sqrt((_finite(w) ** 2).mean())),
    "norm": lambda w: float(np.sqrt((_finite(w) ** 2).sum())),
    "min": lambda w: float(_finite(w).min()),
    "max": lambda w: float(_finite(w).max()),
    "absmax": lambda w: float(np.abs(_finite(w)).max()),
    "zero_fraction": lambda w: float((_finite(w) == 0).mean()),
    "nan_count": lambda w: float(np.isnan(numbers(w)).sum()),
    "inf_count": lambda w: float(np.isinf(numbers(w)).sum()),
    "kurtosis": lambda w: _kurtosis(_finite(w)),
    "median": lambda w: float(np.median(_finite(w))),
    "dead_units": _dead,
    "stable_rank": _stable_rank,
    "spectral_norm": _sigma,
    "effective_rank": effective_rank,
    "outlier_directions": outlier_directions,
}
"""Statistics of one moment, by name."""


def rotation(now: Floats, then: Floats) -> float:
    """1 - cos of two vectors, in long double."""
    a, b = now.ravel().astype(np.longdouble), then.ravel().astype(np.longdouble)
    return float(1 - (a @ b) / np.sqrt((a @ a) * (b @ b)))


def change(now: Floats, then: Floats) -> float:
    """‖now - then‖ / ‖then‖."""
    return float(np.linalg.norm(now - then) / np.linalg.norm(then))


CHANGES = ("rotation", "relative_change", "update_ratio", "unmoved_units")
"""Statistics of two moments, which `rotation`, `change` and `unmoved_units` tell."""


def unmoved_units(now: Floats, then: Floats) -> float:
    """Rows that have turned by next to nothing while the others have, in long double."""
    a, b = (one.reshape(len(one), -1).astype(np.longdouble) for one in (now, then))
    a, b = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (a, b))
    chords = np.linalg.norm(a - b, axis=1)
    return float((chords <= max(1e-6, 1e-4 * chords.max())).sum()) if chords.max() >= 1e-4 else 0.0


def hard_tensors() -> dict[str, torch.Tensor]:
    """Tensors on which careless reductions fail."""
    random = torch.Generator().manual_seed(5)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=random)

    pruned = normal(300, 200)
    pruned[torch.rand(300, 200, generator=random) < 0.997] = 0.0
    student = normal(400, 300) / (torch.empty(400, 300).exponential_(1.0, generator=random)).sqrt()
    padded = normal(120, 200)
    padded[0] = 0.0
    broken = normal(170, 120)
    broken[0, :3] = torch.tensor([torch.nan, torch.inf, -torch.inf])
    broken[5, 7] = -torch.nan
    broken_rows = normal(170, 120)
    broken_rows[3], broken_rows[5, 1:], broken_rows[9] = torch.nan, 0.0, 0.0
    broken_rows[5, 0] = torch.inf
    dead = normal(64, 300)
    dead[[3, 17]] = 0.0
    dead[40] *= 1e-8
    alternating = torch.full((1 << 18,), 0.1)
    alternating[::3] = -0.3
    outliers_first = 1e-3 * normal(150_000)
    outliers_first[:1024] = 1e3
    return {
        "gamma near 1": 1 + 1e-4 * normal(40_000),
        "gamma near 1, short": 1 + 1e-4 * normal(512),
        "student": student,
        "pruned": pruned,
        "constant": torch.full((200, 150), 0.3),
        "zeros": torch.zeros(200, 150),
        "one": torch.tensor([[-2.5]]),
        "scalar": torch.tensor(0.7),
        "1e-9": 1e-9 * normal(200, 150),
        "1e9": 1e9 * normal(200, 150),
        "1e-30": 1e-30 * normal(200, 150),
        "1e30": 1e30 * normal(200, 150),
        "subnormal": 1e-41 * normal(200, 150),
        "bf16": normal(200, 150).bfloat16(),
        "half": normal(200, 150).half(),
        "fp8": normal(200, 150).to(torch.float8_e4m3fn),
        "fp8 short": normal(20).to(torch.float8_e5m2),
        "float64": normal(200, 150).double() + 1e-9 * normal(200, 150).double(),
        "float64 wide": normal(200, 150).double() * 1e60,
        "float64 close": 1 + 1e-12 * normal(200, 150).double(),
        "channels last": normal(64, 32, 5, 5).to(memory_format=torch.channels_last),
        "transposed": normal(300, 100).T,
        "strided": normal(400, 200)[::2, 1::3],
        "expanded": normal(1, 300).expand(100, 300),
        "padding_idx": padded,
        "nan and inf": broken,
        "nan and inf, short": broken[0, :20].clone(),
        "broken rows": broken_rows,
        "dead rows": dead,
        "alternating": alternating,
        "outliers first": outliers_first,
        "long": normal(301_007),
        "wide": normal(3, 20_000),
    }
