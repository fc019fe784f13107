"""The layer whose rows are the classes: how they lie to each other and what they look for in the input."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import accumulator, looks
from lightning_weightviz.measure.device.pooling import narrow, pool, pool_extreme
from lightning_weightviz.measure.device.scaling import is_plain, scale_of, widen
from lightning_weightviz.measure.enqueued import EnqueuedHead
from lightning_weightviz.measure.inputs import HeadSource
from lightning_weightviz.measure.transfer import Arrays, Packer

MOST_COMPARED = 2048
"""With more classes not all pairs are compared."""
MOST_TEMPLATES = 100
CLOSEST = 7


def enqueue_head(source: HeadSource, number: int, packer: Packer, limit: int, place: int | None) -> EnqueuedHead:
    """Enqueues one measurement of a head.

    Args:
        source: What is measured.
        number: Which of the heads it is.
        packer: Where results go.
        limit: Most cells an axis of a picture.
        place: Which parameter's picture is that of the weight too; None: it has none.
    """
    device = source.weight.device
    scale = None if is_plain(source.weight) else scale_of(source.weight)
    centre = centred(source, scale)
    arrays = _rows(source, limit, centre, scale, pictured=place is not None)
    compares_later = None
    if 1 < len(centre) <= MOST_COMPARED:
        if looks(device):
            # On the host no stream would compare them meanwhile: it is done when it is asked for.
            compares_later = partial(_compare_here, centre, limit)
        else:
            arrays |= compare(centre, limit)
    for key, values in arrays.items():
        packer.add(("head", number, key), values)
    return EnqueuedHead(source, number, device, place, compares_later)


def _compare_here(centre: Tensor, limit: int) -> Arrays:
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        return {key: values.numpy() for key, values in compare(centre, limit).items()}


def centred(source: HeadSource, scale: Tensor | None) -> Tensor:
    """The rows less their mean over the classes, (C, d), float32 or float64; as they are where each is an answer.

    A copy, times `scale`. What is not finite counts as 0.

    Args:
        source: The head.
        scale: As in `lightning_weightviz.measure.device.pooling.pool`.
    """
    wide = widen(source.weight)
    if scale is not None:
        wide = torch.where(wide.isfinite(), wide * scale, 0.0)
    return wide.clone() if source.multi_label or len(wide) == 1 else wide - wide.mean(0, keepdim=True)


def _rows(source: HeadSource, limit: int, centre: Tensor, scale: Tensor | None, *, pictured: bool) -> dict[str, Tensor]:
    """Arrays that are cheap: ``norms``, (C,), ``bias``, (C,), and ``templates`` where there are some.

    Args:
        source: The head.
        limit: Most cells an axis.
        centre: As of `centred`.
        scale: What it was multiplied by.
        pictured: Whether there is a picture of the weight already; else its arrays are among the results.
    """
    arrays: dict[str, Tensor] = {}
    if not pictured:
        pooled = pool(source.weight, (limit, limit), scale)
        arrays |= {f"picture.{key}": value for key, value in pooled.arrays.items()}
    wide = accumulator(centre.device)
    # In the scale of the weights all is wide, as norms of the largest floats are none.
    unscale = 1.0 if scale is None else 1.0 / scale.to(wide)
    arrays["norms"] = torch.linalg.vector_norm(centre, dim=1).to(wide) * unscale
    if source.bias is not None:
        arrays["bias"] = widen(source.bias)
    if source.has_templates and source.input_shape is not None:
        product = centre[:MOST_TEMPLATES].to(wide) * unscale
        for _, layer in reversed(source.chain[:-1]):
            product = product @ _finite(layer.to(product.dtype))
        arrays["templates"] = narrow(product).view(-1, *source.input_shape)
    return arrays


def compare(centre: Tensor, limit: int) -> dict[str, Tensor]:
    """Arrays that compare all pairs of rows, for 2 to `MOST_COMPARED` classes; C² d multiplications.

    Rows of norm 0 have cosine 0 with every other.

    Returns:
        ``cosine``, float32, (c, c), ``closest`` and ``pairs``, the largest cosines and where they are in the (C, C)
        matrix, (k,), ``spread`` and ``simplex``, 0-d.
    """
    count = len(centre)
    gram = _gram(centre)
    # Cosines, from products of unit length.
    norms = gram.diagonal().clamp(min=0).sqrt()
    inverse = torch.where(norms > 0, 1.0 / norms, 0.0)
    cosine = (inverse.unsqueeze(1) * inverse).mul_(gram).fill_diagonal_(0.0)
    both_ways = count * (count - 1)
    apart = (cosine - cosine.sum() / both_ways).fill_diagonal_(0.0)
    spread = torch.linalg.vector_norm(apart) / both_ways**0.5
    values, pairs = _closest(cosine)
    # The distance from the frame, in place of the products. It is (I - 1/C) / sqrt(C - 1).
    off = gram.div_(torch.linalg.vector_norm(gram)).add_(1.0 / count / (count - 1) ** 0.5)
    off.diagonal().sub_(1.0 / (count - 1) ** 0.5)
    return {
        "cosine": pool_extreme(cosine.to(torch.float32), limit).fill_diagonal_(torch.nan),
        "closest": values,
        "pairs": pairs,
        "spread": spread,
        "simplex": torch.linalg.vector_norm(off),
    }


def _closest(cosine: Tensor) -> tuple[Tensor, Tensor]:
    """The largest entries beside the diagonal of a symmetric matrix, each pair once, and where they are, (k,)."""
    count = len(cosine)
    column = torch.arange(count, dtype=torch.int64, device=cosine.device)
    most = cosine.masked_fill(column.unsqueeze(1) == column, -2.0).amax(1)
    # Both rows of a pair that is among the k largest are among the 2 k rows with the largest entries.
    rows = most.topk(min(2 * CLOSEST, count)).indices
    chosen = torch.zeros(count, dtype=torch.bool, device=cosine.device).index_fill_(0, rows, True)
    first = rows.unsqueeze(1)
    once = torch.where(chosen, first < column, first != column)
    values, place = torch.where(once, cosine[rows], -2.0).view(-1).topk(min(CLOSEST, count * (count - 1) // 2))
    one, other = rows[place // count], place % count
    return values, torch.minimum(one, other) * count + torch.maximum(one, other)


def _gram(centre: Tensor) -> Tensor:
    """All products of two rows, in the device's widest dtype, off by at most 1e-6 of the product of the norms."""
    widest = accumulator(centre.device)
    gram = torch.empty(len(centre), len(centre), dtype=widest, device=centre.device)
    # On the host sums in float32 err by 3e-7 in half the time, unless a setting allows them to err by more.
    wide = centre if looks(centre.device) and _sums_in_full() else centre.to(widest)
    # It is symmetric: a quarter of the rows at a time needs five eighths of the products.
    quarter = -(-len(wide) // 4)
    for first in range(0, len(wide), quarter):
        end = first + quarter
        gram[first:end, first:] = wide[first:end] @ wide[first:].T
        gram[end:, first:end] = gram[first:end, end:].T
    return gram


def _sums_in_full() -> bool:
    """Whether products of float32 matrices are known to be summed in float32."""
    try:
        return torch.get_float32_matmul_precision() == "highest"
    except RuntimeError:
        # torch refuses to tell where the precision was set by backend.
        return False


def _finite(values: Tensor) -> Tensor:
    """The values, with 0 for what is not finite; themselves where the host sees that all are."""
    return values if is_plain(values) else torch.where(values.isfinite(), values, 0.0)
