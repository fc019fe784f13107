"""Kernels of our own, in Triton's interpreter: the same programs on the host, one after the other.

What only a device can tell of them is in `test_cuda.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lightning_weightviz import WeightVisualizer
from lightning_weightviz.measure import Meter
from lightning_weightviz.measure.device import abilities
from lightning_weightviz.measure.device.fused import launching
from lightning_weightviz.measure.device.fused.located import Located, located
from lightning_weightviz.measure.device.memory_order import matrix
from lightning_weightviz.measure.device.scaling import power_above
from lightning_weightviz.measure.device.spectrum import Lanczos, Side
from lightning_weightviz.measure.tridiagonal import ritz
from tests.measure.test_cuda import assert_as_on_the_host
from tests.measure.test_meter import NoLook
from tests.support.oracles import hard_tensors, parameter

pytest.importorskip("triton", reason="Triton has no wheels for this machine")
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="a device runs the kernels themselves: test_cuda.py")

CPU = torch.device("cpu")
ROOT = Path(__file__).parent.parent.parent


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def broken(*shape: int) -> Tensor:
    values = normal(*shape, seed=1)
    values.view(-1)[::97] = torch.nan
    values.view(-1)[5::101] = torch.inf
    values.view(-1)[7::103] = -torch.inf
    return values


@pytest.fixture
def _fused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host counts as a device with a stream and with kernels."""
    monkeypatch.setattr(abilities, "HOSTS", frozenset())
    monkeypatch.setattr("lightning_weightviz.measure.meter.fuses", lambda device: True)


MATRICES = {
    "tall": normal(150, 40),
    "wide": normal(40, 150),
    "longer than a program takes": normal(300, 17),
    "a single row": normal(1, 700),
    "a single column": normal(700, 1),
    "of a view": normal(60, 90)[3:50, 5:70],
    "half": normal(140, 33).half(),
    "even bfloat16": normal(64, 160).bfloat16(),
    "tiny": 1e-30 * normal(130, 20),
    "huge": 1e37 * normal(20, 130),
    "stacked": normal(3, 50, 30),
    "not finite": broken(140, 36),
    "zero": torch.zeros(30, 20),
    "kernels": normal(20, 8, 3, 3).contiguous(memory_format=torch.channels_last),
}


def in_float64(tensor: Tensor) -> list[Tensor]:
    """The matrices of one of `MATRICES` in the scale of the kernels."""
    magnitude = tensor.float().nan_to_num(0, 0, 0).abs().amax()
    scaled = tensor.double() * power_above(magnitude).double()
    return list(scaled) if tensor.ndim == 3 else [matrix(scaled)]


def located_of(tensors: list[Tensor]) -> tuple[list[Located], Tensor, list[Side]]:
    found: list[Located] = []
    sides: list[Side] = []
    for owner, tensor in enumerate(tensors):
        values = tensor if tensor.ndim == 3 else matrix(tensor).unsqueeze(0)
        side: Side = "columns" if values.shape[1] >= values.shape[2] else "rows"
        where = located(values, owner, side)
        assert where is not None
        found += where
        sides += [side] * len(values)
    return found, torch.stack([one.float().nan_to_num(0, 0, 0).abs().amax() for one in tensors]), sides


def test_row_norms() -> None:
    from lightning_weightviz.measure.device.fused.rows import row_norms

    tensors = list(MATRICES.values())
    where, magnitudes, _ = located_of(tensors)
    norms, squares = row_norms(where, magnitudes)
    wide = torch.cat([torch.linalg.vector_norm(one, dim=1) for tensor in tensors for one in in_float64(tensor)])
    finite = wide.isfinite()
    torch.testing.assert_close(norms[finite].double(), wide[finite], rtol=1e-6, atol=1e-12)
    assert not norms[~finite].isfinite().any()
    known = [one.nan_to_num(0, 0, 0).square().sum(1) for tensor in tensors for one in in_float64(tensor)]
    torch.testing.assert_close(squares.double(), torch.cat(known), rtol=1e-6, atol=1e-12)


def test_products_of_matrices_side_by_side() -> None:
    from lightning_weightviz.measure.device.fused.products import Products

    tensors = list(MATRICES.values())
    where, magnitudes, sides = located_of(tensors)
    whole = [one.nan_to_num(0, 0, 0) for tensor in tensors for one in in_float64(tensor)]
    tall = [one if side == "columns" else one.T for one, side in zip(whole, sides, strict=True)]
    longest = max(one.shape[1] for one in tall)
    # What lies behind the end of a vector is not read.
    vectors = torch.full((len(tall), longest), torch.nan)
    for vector, one in zip(vectors, tall, strict=True):
        vector[: one.shape[1]] = normal(one.shape[1], seed=3)
    found = Products(where, magnitudes, longest).multiply(vectors)
    for place, one in enumerate(tall):
        length = one.shape[1]
        expected = one.T @ (one @ vectors[place, :length].double())
        torch.testing.assert_close(
            found[place, :length].double(), expected, rtol=1e-4, atol=1e-6 * float(expected.norm()) + 1e-12
        )


def test_iterations_side_by_side_find_the_largest_singular_values(monkeypatch: pytest.MonkeyPatch) -> None:
    from lightning_weightviz.measure.device.fused.lanczos import run_together
    from lightning_weightviz.measure.device.fused.products import Products

    monkeypatch.setattr(abilities, "HOSTS", frozenset())
    tensors = [MATRICES[name] for name in ("tall", "wide", "stacked", "zero", "a single column", "even bfloat16")]
    where, magnitudes, sides = located_of(tensors)
    lengths = [min(one.shape) for tensor in tensors for one in in_float64(tensor)]
    iterations = [Lanczos(length, 1, None, side) for length, side in zip(lengths, sides, strict=True)]
    found = run_together(iterations, Products(where, magnitudes, max(lengths)))
    whole = [one for tensor in tensors for one in in_float64(tensor)]
    for (alpha, beta), iteration, one in zip(found, iterations, whole, strict=True):
        value = ritz(alpha[0].double().numpy(), beta[0].double().numpy()).value
        assert value**0.5 == pytest.approx(float(torch.linalg.matrix_norm(one, 2)), rel=1e-3, abs=1e-6)
        basis = iteration._basis
        assert basis is not None
        gram = basis[0] @ basis[0].T
        # Orthonormal, or 0 once the space is exhausted.
        torch.testing.assert_close(gram, torch.diag(gram.diagonal().round()), atol=1e-5, rtol=0)


@pytest.mark.usefixtures("_fused")
@pytest.mark.parametrize("name", [*MATRICES, "vector", "long vector", "float64", "fp8", "empty", "scalar"])
def test_numbers_are_those_of_torch_operators(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    others = {
        "vector": broken(500),
        "long vector": normal(70_000),
        "float64": normal(150, 120).double(),
        "fp8": normal(150, 120).to(torch.float8_e4m3fn),
        "empty": torch.empty(0, 5),
        "scalar": normal(),
    }
    tensor = {**MATRICES, **others}[name]
    described = replace(parameter(tensor, "0"), stacked=3 if name == "stacked" else 1)
    with monkeypatch.context() as patch:
        patch.setattr(abilities, "HOSTS", frozenset({"cpu"}))
        expected = Meter([described]).measure([tensor]).result()
    meter = Meter([described], fused=True)
    for _ in range(2):
        with NoLook():
            pending = meter.measure([tensor])
        assert_as_on_the_host(pending.result(), expected)


@pytest.mark.usefixtures("_fused")
def test_numbers_of_tensors_on_which_careless_sums_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = [one for one in hard_tensors().values() if one.ndim == 1 or one.numel() < 40_000]
    parameters = [parameter(one, str(place)) for place, one in enumerate(tensors)]
    wanted = ("mean", "std", "rms", "kurtosis", "median", "zero_fraction", "dead_units")
    with monkeypatch.context() as patch:
        patch.setattr(abilities, "HOSTS", frozenset({"cpu"}))
        expected = Meter(parameters, statistics=wanted).measure(tensors).result()
    found = Meter(parameters, statistics=wanted, fused=True).measure(tensors).result()
    for name, one in found.measurements.items():
        other = expected.measurements[name].statistics
        for statistic in ("mean", "std", "rms", "kurtosis", "zero_fraction", "dead_units"):
            close = pytest.approx(other[statistic], rel=2e-5, abs=2e-5 * np.nan_to_num(other["std"]), nan_ok=True)
            assert one.statistics[statistic] == close, (name, statistic)
        np.testing.assert_array_equal(one.counts.counts, expected.measurements[name].counts.counts)


@pytest.mark.usefixtures("_fused")
def test_a_snapshot_goes_on_from_the_vectors_of_torch_operators() -> None:
    tensors = [normal(60, 40), normal(3, 40, 50)]
    parameters = [parameter(tensors[0], "0"), replace(parameter(tensors[1], "1"), stacked=3)]
    before = Meter(parameters)
    known = before.measure(tensors).result()
    after = Meter(parameters, fused=True)
    after.load_state_dict(before.state_dict())
    found = after.measure(tensors).result()
    for name, one in found.measurements.items():
        sigma = known.measurements[name].statistics["spectral_norm"]
        assert one.statistics["spectral_norm"] == pytest.approx(sigma, rel=1e-3)


class Launches:
    """Takes the place of a kernel, and counts how often it is launched."""

    count = 0

    def __getitem__(self, grid: tuple[int, ...]) -> Callable[..., None]:
        Launches.count += 1
        return lambda *arguments, **options: None


@pytest.mark.usefixtures("_fused")
def test_a_snapshot_of_a_resnet_50_enqueues_few_operations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = pytest.importorskip("torchvision.models")
    from lightning_weightviz.measure.device.fused.kernels import lanczos, moments, products, rows

    kernels = {moments: ("find_magnitudes", "find_sums"), rows: ("find_row_norms",)}
    kernels |= {products: ("multiply", "add_parts"), lanczos: ("take_step",)}
    for module, names in kernels.items():
        for name in names:
            monkeypatch.setattr(module, name, Launches())
    with pytest.warns(UserWarning, match="more than 24 matrices"):
        observer = WeightVisualizer(models.resnet50(), folder=tmp_path, fused=True)._observer
    Launches.count = 0
    with NoLook() as seen:
        observer.take()
    # The first one takes 32 steps of the iterations, each of which is five launches; later ones take 8.
    assert seen.launches <= 520
    assert 100 <= Launches.count <= 170


@pytest.mark.parametrize("device", ["mps", "xpu"])
def test_what_cannot_be_fused_is_said(device: str) -> None:
    with pytest.warns(UserWarning, match=f"fused=True has no effect on {device}: kernels are built for NVIDIA's"):
        assert not launching.fuses(torch.device(device))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not launching.fuses(CPU)


def test_kernels_can_be_built_for_a_device() -> None:
    """In a process of its own, as this one's are interpreted; the compiler needs no device."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-c", "from tests.measure.test_fused import build_all; build_all()"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["ld.global.v4"] * 8


def build_all() -> None:
    """Builds each kernel; says how those of the weights read where sizes allow the widest instruction."""
    import re
    from inspect import signature as signature_of

    import triton
    import triton.language as tl
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from lightning_weightviz.measure.device.fused.kernels import lanczos, moments, products, rows, trial

    # Triton 3.2 has another name for them.
    name_of_constants = "constexprs" if "constexprs" in signature_of(ASTSource).parameters else "constants"

    def build(kernel: object, arguments: dict[str, str], constants: dict[str, object], capability: int = 90) -> str:
        signature = {**arguments, **dict.fromkeys(constants, "constexpr")}
        source = ASTSource(fn=kernel, signature=signature, **{name_of_constants: constants})
        built = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": 8})
        assert len(built.asm["cubin"]) > 0
        return max(re.findall(r"ld\.global(?:\.v4)?", built.asm["ptx"]), default="")

    tables = {"rows": "*i64", "magnitudes": "*fp32"}
    for capability in (80, 90):
        build(trial.put_one, {"values": "*fp32"}, {}, capability)
        for dtype in (tl.float32, tl.bfloat16):
            kind = {"DTYPE": dtype, "EVEN": True}
            read = [
                build(moments.find_magnitudes, tables, {**kind, "BLOCK": 4096}, capability),
                build(
                    moments.find_sums,
                    {**tables, "numbers": "*fp64", "counts": "*i64"},
                    {**kind, "BLOCK": 4096, "BINS": 512},
                    capability,
                ),
                build(
                    rows.find_row_norms,
                    {**tables, "norms": "*fp32", "squares": "*fp32"},
                    {**kind, "ROWS": 4, "COLUMNS": 1024},
                    capability,
                ),
                build(
                    products.multiply,
                    {**tables, "vectors": "*fp32", "pitch": "i32", "parts": "*fp32"},
                    {**kind, "ALONG_COLUMNS": True, "LONG": 128, "SHORT": 64},
                    capability,
                ),
            ]
            if capability == 90:
                print(*read)
    build(products.add_parts, {"rows": "*i64", "parts": "*fp32", "products": "*fp32"}, {"ADDED": 32, "WIDE": 128})
    numbers = dict.fromkeys(("step", "steps", "longest", "matrices"), "i32")
    pointers = {"lengths": "*i64", "products": "*fp32", "basis": "*fp32", "sides": "*fp32"}
    build(lanczos.take_step, {**pointers, **numbers}, {"STEPS": 32, "BLOCK": 256})
