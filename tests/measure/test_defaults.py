"""Nothing that is measured depends on torch's default dtype or device, or on what a subclass of tensors makes of it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.testing._internal.two_tensor import TwoTensor

import lightning_weightviz
from lightning_weightviz.measure import HeadSource, Meter
from lightning_weightviz.measure.device import abilities
from lightning_weightviz.run.deferred import Deferred
from lightning_weightviz.snapshot import Parameter
from tests.support.oracles import hard_tensors, parameter
from tests.support.tensor_creation import undecided

PACKAGE = Path(lightning_weightviz.__file__).parent


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_tensor_that_is_made_says_its_dtype_and_device(path: Path) -> None:
    assert list(undecided(path.read_text())) == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("torch.zeros(3, dtype=torch.int64)", 1),
        ("torch.tensor(3.0, device=x.device)", 1),
        ("from torch import arange as a\na(3)", 1),
        ("torch.Tensor([1])", 1),
        ("torch.full((), 1.0, dtype=torch.float32, device=x.device)", 0),
        ("torch.zeros_like(x), x.new_zeros(3), np.zeros(3), torch.from_numpy(x)", 0),
    ],
)
def test_the_reader_finds_what_is_left_to_defaults(source: str, expected: int) -> None:
    assert len(list(undecided(source))) == expected


def _with_dtype(dtype: torch.dtype) -> Callable[[], Any]:
    @contextmanager
    def use() -> Iterator[None]:
        before = torch.get_default_dtype()
        torch.set_default_dtype(dtype)
        try:
            yield
        finally:
            torch.set_default_dtype(before)

    return use


DEFAULTS: dict[str, Callable[[], Any]] = {
    "float64": _with_dtype(torch.float64),
    "bfloat16": _with_dtype(torch.bfloat16),
    "float16": _with_dtype(torch.float16),
    "meta": lambda: torch.device("meta"),
}


HARD = {
    *("gamma near 1, short", "constant", "one", "scalar", "1e30", "bf16", "fp8 short", "float64", "channels last"),
    *("broken rows", "nan and inf, short", "dead rows"),
}
"""Of the tensors on which careless reductions fail, some of every way through the code."""


def what_is_measured() -> tuple[list[Parameter], list[Tensor], HeadSource, HeadSource]:
    """Parameters of all kinds, their values, and two heads."""
    random = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=random)

    tensors = {name: tensor for name, tensor in hard_tensors().items() if name in HARD}
    own = {"embedding": normal(700, 30), "kernels": normal(17, 9, 3, 3), "experts": normal(4, 6, 5)}
    parameters = [parameter(tensor, name) for name, tensor in tensors.items()]
    parameters += [
        Parameter("embedding", "embedding", "Embedding", (700, 30), "float32", "matrix", padding_index=1),
        Parameter("kernels", "conv", "Conv2d", (17, 9, 3, 3), "float32", "kernels"),
        Parameter("experts", "linear", "", (4, 6, 5), "float32", "matrix", stacked=4, units_axis=1),
        Parameter("head", "head", "Linear", (9, 48), "float32", "matrix"),
    ]
    names, weight = tuple("abcdefghi"), normal(9, 48)
    chain = (("in", normal(48, 27)), ("head", weight))
    head = HeadSource("head", names, weight, normal(9), chain, (3, 3, 3))
    elsewhere = HeadSource("other", names, 1e25 * weight, normal(9), multi_label=True)
    return parameters, [*tensors.values(), *own.values(), weight], head, elsewhere


def everything(parameters: list[Parameter], values: list[Tensor], head: HeadSource, elsewhere: HeadSource) -> Any:
    """What three snapshots find, with a head, a step and a state that is taken up, with its pairs."""
    meter = Meter(parameters, image_size=16, means=True)
    found = [meter.measure(values, [head]).result()]
    meter.before_step(values, range(len(values)))
    changed = [value if value.element_size() == 1 else 1.01 * value for value in values]
    meter.after_step(changed, range(len(values)))
    found.append(meter.measure(changed, [elsewhere]).result())
    buffer = io.BytesIO()
    torch.save(meter.state_dict(), buffer)
    buffer.seek(0)
    taken_up = Meter(parameters, image_size=16, means=True)
    taken_up.load_state_dict(torch.load(buffer, weights_only=True))
    found.append(taken_up.measure(values, [head]).result())
    return plain(found)


def plain(found: Any) -> Any:
    """Dataclasses as dictionaries, what is put off done."""
    if isinstance(found, Deferred):
        return plain(found.result())
    if is_dataclass(found):
        return {field.name: plain(getattr(found, field.name)) for field in fields(found)}
    if isinstance(found, dict):
        return {key: plain(value) for key, value in found.items()}
    return [plain(value) for value in found] if isinstance(found, (list, tuple)) else found


@pytest.fixture(params=["host", "stream"])
def _way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "stream":
        monkeypatch.setattr(abilities, "HOSTS", frozenset())


def test_no_default_changes_what_is_measured(_way: None) -> None:
    measured = what_is_measured()
    expected = everything(*measured)
    assert expected[0]["heads"][0]["templates"] is not None and expected[0]["pairs"][0] is not None
    assert np.isfinite(expected[1]["heads"][0]["norms"]).all() and expected[0]["errors"] == {}
    for name, default in DEFAULTS.items():
        with default():
            found = everything(*measured)
        np.testing.assert_equal(found, expected, err_msg=name)


class Renamed(Tensor):
    """A subclass that changes what an operator does."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        raise RuntimeError("no operator of a subclass is asked")


def test_a_subclass_of_tensors_is_measured_by_its_values() -> None:
    weight = torch.randn(30, 20)
    special = weight.as_subclass(Renamed)
    assert type(special) is Renamed
    head = HeadSource("w", tuple(map(str, range(30))), special, chain=(("w", special),), input_shape=(1, 4, 5))
    meters = [Meter([parameter(weight)]) for _ in range(2)]
    for meter, values in zip(meters, (weight, special), strict=True):
        meter.measure([values]).result()
        meter.before_step([values], [0])
        meter.after_step([values], [0])
    expected = meters[0].measure([weight]).result()
    found = meters[1].measure([special], [head]).result()
    np.testing.assert_equal(plain(found.measurements), plain(expected.measurements))
    assert found.heads[0].templates is not None


def test_values_that_a_subclass_keeps_elsewhere_are_refused_by_name() -> None:
    weight = torch.randn(30, 20)
    special = TwoTensor(weight, weight)
    parameters = [parameter(weight, "fc.weight"), parameter(weight, "experts.weight")]
    meter = Meter(parameters)
    with pytest.raises(TypeError, match=r"experts\.weight.*TwoTensor"):
        meter.measure([weight, special])
    with pytest.raises(TypeError, match=r"experts\.weight.*TwoTensor"):
        meter.measure(lambda: [weight, special], later=True).result()
    with pytest.raises(TypeError, match=r"experts\.weight.*TwoTensor"):
        meter.before_step([special], [1])
    with pytest.raises(TypeError, match=r"head\.weight.*TwoTensor"):
        meter.measure([weight, weight], [HeadSource("head.weight", tuple(map(str, range(30))), special)])
    with pytest.raises(ValueError, match=r"fc\.weight has 600 elements"):
        meter.measure([weight[1:], weight])
    assert meter.measure([weight, weight]).result().totals["nan_count"] == 0
