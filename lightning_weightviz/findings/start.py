"""Starts from which a network learns badly."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lightning_weightviz.findings import Bound, Evidence, Limits, Sign, rule
from lightning_weightviz.findings.support.words import short

CHAINED = ("linear", "head", "conv")


@rule(
    "bad_start",
    what="The product of std · √inputs along the layers is next to 0 at the start, and the layers have hardly turned "
    "since.",
    bounds={
        "gain": Bound(0.27, 0.37, "std · √inputs at the start, the geometric mean of the layers"),
        "degrees": Bound(5.0, 8.0, "by which the median matrix has turned since"),
    },
    source="PyTorch's default start has a variance of 1/(3 · inputs) and He's of 2/inputs (He et al. 2015): along "
    "784-128-64-10 the products are 0.19 and 2.8, that of a standard deviation of 0.01 is 0.0025.",
    cause="The weights start so small that neither signal nor gradient gets through.",
    advice="Keep PyTorch's own initialisation, or use `nn.init.kaiming_normal_`.",
    false_alarms=(
        "A network that has a norm: it is left alone.",
        "A small product alone, harmless with residual branches: the layers must stand still too.",
    ),
)
def bad_start(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """Signals that vanish from the start."""
    chain = evidence.judged & np.array([one.kind in CHAINED for one in evidence.parameters], bool)
    normed = any(one.kind == "norm" for one in evidence.parameters)
    if chain.sum() < 2 or normed:
        return
    gains = evidence.start("std")[chain] * np.sqrt(evidence.shapes[chain, 1])
    if not (gains > 0).all():
        return
    turned = np.degrees(np.arccos(np.clip(1.0 - evidence.curve("rotation")[-1][chain], -1.0, 1.0)))
    # The mean and not the product, as the product of many layers says little of each.
    if not (np.exp(np.log(gains).mean()) < limits["gain"] and np.median(turned) < limits["degrees"]):
        return
    product = float(np.prod(gains))
    along = f"the product of std · √inputs along {int(chain.sum())} layers is {short(product)} at the start"
    yield Sign("", f"{along}, and the median layer has turned by {np.median(turned):.2g}° since", since=0)


@rule(
    "equal_units",
    what="All weights of a matrix are one number, or nearly: its units start alike and learn alike.",
    bounds={"spread": Bound(1e-3, 1e-2, "std as a share of rms")},
    source="Units that start alike get the same gradient (Goodfellow et al. 2016, 8.4).",
    cause="The layer was filled with a constant.",
    advice="Draw the weights at random: `nn.init.kaiming_normal_`, or PyTorch's own initialisation.",
    false_alarms=("A start at 0, norms and biases are left alone.",),
    patience=1,
    warmup=1,
)
def equal_units(evidence: Evidence, limits: Limits) -> Iterator[Sign]:
    """Symmetry that training cannot break."""
    size, spread = evidence.start("rms"), evidence.start("std")
    for index in np.flatnonzero(evidence.layers & (size > 0) & (spread < limits["spread"] * size)):
        name = evidence.names[index]
        yield Sign(name, f"all weights of {name} started at {short(size[index])}, so its units learn alike", since=0)
