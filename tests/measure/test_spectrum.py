from __future__ import annotations

import numpy as np
import pytest
import torch

from lightning_weightviz.measure import Meter
from lightning_weightviz.measure.device import abilities
from tests.support.oracles import parameter


@pytest.fixture(params=["host", "stream"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways through the code: with looks at values, and as on a device that must not be waited for."""
    if request.param == "stream":
        monkeypatch.setattr(abilities, "HOSTS", frozenset())


def sigma(tensor: torch.Tensor) -> float:
    return float(np.linalg.svd(tensor.double().numpy(), compute_uv=False)[0])


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (2, 2), (10, 64), (300, 300), (700, 700), (200, 900), (900, 200)])
def test_the_first_snapshot_is_within_one_percent(shape: tuple[int, int], _way: None) -> None:
    w = normal(*shape)
    found = Meter([parameter(w, pictured=False)]).measure([w]).result().measurements["w"].statistics["spectral_norm"]
    assert found == pytest.approx(sigma(w), rel=0.01)


@pytest.mark.parametrize("kind", ["identity", "rank 1", "two equal", "checkerboard"])
def test_matrices_with_special_spectra(kind: str, _way: None) -> None:
    w = {
        "identity": torch.eye(200),
        "rank 1": normal(150, 1) @ normal(1, 200, seed=1),
        "two equal": torch.diag(torch.tensor([3.0, 3.0, *[0.1] * 150])),
        "checkerboard": torch.tensor([1.0, -1.0]).repeat(160)[:, None] * torch.tensor([1.0, -1.0]).repeat(80),
    }[kind]
    found = Meter([parameter(w, pictured=False)]).measure([w]).result().measurements["w"].statistics
    assert found["spectral_norm"] == pytest.approx(sigma(w), rel=0.01)
    assert found["stable_rank"] >= 0.999


def test_snapshots_of_a_training_stay_within_one_percent(_way: None) -> None:
    """Weights that drift at random while a second direction overtakes the first."""
    random = torch.Generator().manual_seed(4)
    w = torch.randn(300, 200, generator=random)
    first, second = (
        torch.outer(torch.randn(300, generator=random), torch.randn(200, generator=random)) / 60_000**0.5
        for _ in range(2)
    )
    meter = Meter([parameter(w, pictured=False)])
    for step in range(25):
        w = w + 0.05 * torch.randn(300, 200, generator=random)
        now = w + (40 - step) * first + (20 + 2 * step) * second
        found = meter.measure([now]).result().measurements["w"].statistics["spectral_norm"]
        assert found == pytest.approx(sigma(now), rel=0.01), step


def test_other_weights_are_found_again(_way: None) -> None:
    meter = Meter([parameter(normal(400, 400), pictured=False)])
    meter.measure([normal(400, 400)]).result()
    other = normal(400, 400, seed=9)
    meter.measure([other]).result()
    found = meter.measure([other]).result().measurements["w"].statistics["spectral_norm"]
    assert found == pytest.approx(sigma(other), rel=0.01)


def test_a_result_that_is_never_asked_for_does_no_harm(_way: None) -> None:
    w = normal(300, 300)
    meter = Meter([parameter(w, pictured=False)])
    for _ in range(4):
        pending = meter.measure([w])
    found = pending.result().measurements["w"].statistics["spectral_norm"]
    assert found == pytest.approx(sigma(w), rel=0.01)
