from __future__ import annotations

import math

import pytest

from lightning_weightviz.draw.number import number, percent


@pytest.mark.parametrize("exponent", range(-44, 38))
@pytest.mark.parametrize("mantissa", [1.0, -1.414, 9.994, 9.996, 3.3333])
def test_reads_back_to_three_digits_and_is_short(mantissa: float, exponent: int) -> None:
    value = mantissa * 10.0**exponent
    text = number(value)
    assert float(text.replace("−", "-")) == pytest.approx(value, rel=5.1e-3)
    assert len(text) <= 9


def test_special_values() -> None:
    assert [number(value) for value in (0.0, -0.0, math.nan, math.inf, -math.inf)] == ["0", "0", "NaN", "∞", "−∞"]
    assert number(0.5, signed=True) == "+0.5"


@pytest.mark.parametrize(
    ("share", "text"), [(0.0, "0%"), (1e-9, "<0.1%"), (0.5, "50%"), (0.9996, ">99.9%"), (1.0, "100%")]
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text
