"""Numbers as text: three significant digits, a true minus sign, no needless zeros."""

from __future__ import annotations

import math


def number(value: float, *, signed: bool = False, digits: int = 3) -> str:
    """A value as a person writes it.

    Args:
        value: Any float.
        signed: Whether to write the plus sign.
        digits: Significant digits.

    >>> number(0.2512), number(-1234.5), number(1e-9), number(0.25, signed=True), number(math.nan)
    ('0.251', '−1234', '1e−9', '+0.25', 'NaN')
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        text = "∞"
    elif value == 0:
        return "0"
    elif 1e-3 <= abs(value) < 1e5:
        decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
        text = f"{abs(value):.{decimals}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        mantissa, exponent = f"{abs(value):.{digits - 1}e}".split("e")
        mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
        text = f"{mantissa}e{int(exponent)}".replace("-", "−")
    sign = "−" if value < 0 else "+" if signed else ""
    return sign + text


def percent(share: float) -> str:
    """A share as a percentage, never 0 % or 100 % where it is not exactly that.

    >>> percent(0.0), percent(0.00001), percent(0.123), percent(0.99999), percent(1.0)
    ('0%', '<0.1%', '12.3%', '>99.9%', '100%')
    """
    if math.isnan(share):
        return "–"
    if 0 < share < 0.001:
        return "<0.1%"
    if 0.999 < share < 1:
        return ">99.9%"
    return f"{100 * share:.1f}".removesuffix(".0") + "%"


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape as the field writes it.

    >>> shape_text((64, 3, 7, 7)), shape_text(())
    ('64×3×7×7', 'scalar')
    """
    return "×".join(str(length) for length in shape) or "scalar"
