from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch

from lightning_weightviz.measure import HeadSource, Meter
from lightning_weightviz.measure.device import abilities
from lightning_weightviz.snapshot import ClassPairs, ClassRows
from tests.support.oracles import Floats, numbers


@pytest.fixture(params=["host", "stream"], autouse=True)
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways through the code: with looks at values, and as on a device that must not be waited for."""
    if request.param == "stream":
        monkeypatch.setattr(abilities, "HOSTS", frozenset())


def measured(source: HeadSource, image_size: int = 256) -> ClassRows:
    return both(source, image_size)[0]


def compared(source: HeadSource, image_size: int = 256) -> ClassPairs:
    pairs = both(source, image_size)[1]
    assert pairs is not None
    return pairs


def both(source: HeadSource, image_size: int = 256) -> tuple[ClassRows, ClassPairs | None]:
    result = Meter([], image_size=image_size).measure([], [source]).result()
    return result.heads[0], result.pairs[0].result()


def source(weight: torch.Tensor, **rest: object) -> HeadSource:
    return HeadSource("fc.weight", tuple(map(str, range(len(weight)))), weight, **rest)  # type: ignore[arg-type]


def centred(weight: torch.Tensor) -> Floats:
    values = numbers(weight)
    centre: Floats = values - values.mean(0)
    return centre


def cosines(weight: torch.Tensor) -> Floats:
    unit = centred(weight) / np.linalg.norm(centred(weight), axis=1, keepdims=True)
    cosine: Floats = unit @ unit.T
    return cosine


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_ten_classes(dtype: torch.dtype) -> None:
    weight = torch.randn(10, 64, generator=torch.Generator().manual_seed(0)).to(dtype)
    bias = torch.randn(10)
    head = measured(source(weight, bias=bias))
    alike = compared(source(weight, bias=bias))
    expected = cosines(weight)
    assert np.isnan(np.diag(alike.cosine)).all()
    off = ~np.eye(10, dtype=bool)
    np.testing.assert_allclose(alike.cosine[off], expected[off], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(head.norms, np.linalg.norm(centred(weight), axis=1), rtol=1e-6)
    assert head.bias is not None
    np.testing.assert_allclose(head.bias, bias.numpy(), rtol=1e-6)
    assert alike.cosine_spread == pytest.approx(expected[off].std(), rel=1e-5)
    pairs = sorted(itertools.combinations(range(10), 2), key=lambda pair: -expected[pair])[:7]
    assert [pair[:2] for pair in alike.closest] == pairs
    np.testing.assert_allclose([pair[2] for pair in alike.closest], [expected[pair] for pair in pairs], rtol=1e-5)
    gram = centred(weight) @ centred(weight).T
    frame = (np.eye(10) - 0.1) / 3
    assert alike.simplex_distance == pytest.approx(float(np.linalg.norm(gram / np.linalg.norm(gram) - frame)), rel=1e-5)
    assert not head.single
    assert (head.width, head.picture.shape, head.templates) == (64, (10, 64), None)
    np.testing.assert_array_equal(head.picture.extreme, numbers(weight).astype(np.float32))


def test_a_simplex_has_no_distance_from_itself() -> None:
    pairs = compared(source(5 * (torch.eye(6) - 1 / 6) + 3.0))
    assert pairs.simplex_distance == pytest.approx(0.0, abs=1e-6)
    assert pairs.cosine_spread == pytest.approx(0.0, abs=1e-6)
    assert pairs.closest[0][2] == pytest.approx(-0.2, rel=1e-5)


def test_fewer_dimensions_than_a_simplex_needs() -> None:
    assert np.isnan(compared(source(torch.randn(10, 8))).simplex_distance)
    assert np.isfinite(compared(source(torch.randn(10, 9))).simplex_distance)


def test_two_classes_are_always_opposite() -> None:
    pairs = compared(source(torch.randn(2, 5)))
    assert [pair[:2] for pair in pairs.closest] == [(0, 1)]
    assert pairs.closest[0][2] == pytest.approx(-1.0)
    assert pairs.cosine_spread == pytest.approx(0.0)


def test_one_output_is_not_centred() -> None:
    weight = torch.randn(1, 5)
    head = measured(source(weight))
    assert head.single
    assert both(source(weight))[1] is None
    np.testing.assert_allclose(head.norms, np.linalg.norm(numbers(weight), axis=1), rtol=1e-6)


def test_many_classes_are_pooled_and_too_many_not_compared() -> None:
    weight = torch.randn(300, 20, generator=torch.Generator().manual_seed(1))
    pairs = compared(source(weight), image_size=100)
    assert pairs.cosine.shape == (100, 100)
    expected = cosines(weight)[:3, 3:6]
    assert pairs.cosine[0, 1] == pytest.approx(expected.flat[np.abs(expected).argmax()], rel=1e-4)
    many, none = both(source(torch.randn(2049, 3)))
    assert none is None
    assert many.norms.shape == (2049,)


def test_templates_are_the_product_of_the_weights() -> None:
    random = torch.Generator().manual_seed(2)
    first, second, last = (torch.randn(shape, generator=random) for shape in ((32, 48), (16, 32), (10, 16)))
    chain = (("fc1", first), ("fc2", second), ("fc3", last))
    head = measured(source(last, chain=chain, input_shape=(3, 4, 4), input_shape_given=True))
    assert head.templates is not None
    expected = centred(last) @ numbers(second) @ numbers(first)
    np.testing.assert_allclose(head.templates.reshape(10, 48), expected, rtol=1e-5, atol=1e-5)
    assert head.templates.shape == (10, 3, 4, 4)
    assert head.template_path == ("fc1", "fc2", "fc3")
    assert head.template_shape_given
    assert measured(source(last, chain=chain, input_shape=(1, 7, 7))).templates is None
    alone = measured(source(last, chain=(("fc3", last),), input_shape=(1, 4, 4)))
    assert alone.templates is not None
    np.testing.assert_allclose(alone.templates.reshape(10, 16), centred(last), rtol=1e-5, atol=1e-6)


def test_at_most_a_hundred_templates_centred_over_all_classes() -> None:
    weight = torch.randn(150, 4)
    head = measured(source(weight, chain=(("fc", weight),), input_shape=(1, 2, 2)))
    assert head.templates is not None
    np.testing.assert_allclose(head.templates.reshape(100, 4), centred(weight)[:100], rtol=1e-5, atol=1e-6)


def test_rows_that_are_zero_or_broken_do_not_hide_the_others() -> None:
    weight = torch.zeros(4, 3)
    pairs = compared(source(weight))
    assert np.nanmax(np.abs(pairs.cosine)) == 0.0
    assert np.isnan(pairs.simplex_distance)
    weight = torch.randn(4, 3)
    weight[0, 0] = torch.nan
    broken = measured(source(weight))
    assert np.isfinite(broken.norms).tolist() == [False, True, True, True]
    assert np.isnan(broken.picture.extreme[0, 0])


def test_a_class_of_nan_is_not_one_of_zeros() -> None:
    weight = torch.randn(4, 3)
    weight[2] = torch.nan
    assert np.isnan(measured(source(weight)).norms).tolist() == [False, False, True, False]
    pairs = compared(source(weight))
    known = np.isfinite(pairs.cosine)
    assert not known[2].any() and not known[:, 2].any() and known.sum() == 6
    assert len(pairs.closest) == 3 and not any(2 in pair[:2] for pair in pairs.closest)
    assert np.isnan(pairs.cosine_spread) and np.isnan(pairs.simplex_distance)


def test_pairs_are_compared_when_they_are_asked_for() -> None:
    weight = torch.randn(300, 20, generator=torch.Generator().manual_seed(1))
    pending = Meter([]).measure([], [source(weight)])
    expected = cosines(weight)[np.triu_indices(300, 1)]
    weight.fill_(7.0)
    result = pending.result()
    assert result.heads[0].norms.shape == (300,)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        head = result.pairs[0].result()
    assert head is not None
    assert head is result.pairs[0].result()
    assert head.closest[0][2] == pytest.approx(expected.max(), rel=1e-5)
    assert head.cosine_spread == pytest.approx(expected.std(), rel=1e-5)


BY_BACKEND = pytest.param(
    'torch.backends.mkldnn.matmul.fp32_precision = "bf16"',
    marks=pytest.mark.skipif(
        not hasattr(torch.backends.mkldnn, "matmul"), reason="this version of PyTorch has no such setting"
    ),
)


@pytest.mark.parametrize("setting", ['torch.set_float32_matmul_precision("medium")', BY_BACKEND])
def test_no_setting_makes_the_comparison_less_precise(setting: str) -> None:
    # In a process of its own: torch cannot take back that its two ways to set the precision were mixed.
    script = f"""
import numpy as np, torch
from lightning_weightviz.measure.device.class_head import compare
rows = torch.randn(300, 512, generator=torch.Generator().manual_seed(0))
rows -= rows.mean(0)
wide = rows.numpy().astype(np.float64)
wide /= np.linalg.norm(wide, axis=1, keepdims=True)
{setting}
error = np.abs(compare(rows, 300)["cosine"].numpy() - wide @ wide.T)
np.fill_diagonal(error, 0)
assert error.max() < 1e-6, error.max()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_rows_that_are_answers_by_themselves_are_not_centred() -> None:
    weight = torch.randn(3, 8, generator=torch.Generator().manual_seed(3))
    head = measured(source(weight, multi_label=True))
    pairs = compared(source(weight, multi_label=True))
    rows = numbers(weight)
    norms = np.linalg.norm(rows, axis=1)
    np.testing.assert_allclose(head.norms, norms, rtol=1e-6)
    apart = ~np.eye(3, dtype=bool)
    assert head.multi_label
    np.testing.assert_allclose(pairs.cosine[apart], (rows @ rows.T / np.outer(norms, norms))[apart], atol=1e-5)
    assert np.isnan(pairs.simplex_distance)
