"""The layer whose rows are the classes: how they lie to each other and what they look for in the input."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from lightning_weightviz.measure.device.abilities import accumulator, looks
from lightning_weightviz.measure.device.cell_sums import pool_extreme
from lightning_weightviz.measure.device.pooling import narrow
from lightning_weightviz.measure.device.scaling import is_plain, scale_of, widen
from lightning_weightviz.measure.device.sent_picture import picture_to_send
from lightning_weightviz.measure.enqueued import EnqueuedHead, Finish
from lightning_weightviz.measure.inputs import HeadSource
from lightning_weightviz.measure.transfer import Arrays, Packer

MOST_COMPARED = 2048
"""With more classes not all pairs are compared."""
MOST_TEMPLATES = 100
CLOSEST = 7
"""So many pairs are told."""
MOST_AT_ONCE = 1 << 24
"""Multiplications of which none is worth a launch."""


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
    arrays = _rows(source, centre, scale)
    finish: Finish | None = None
    if place is None:
        picture = picture_to_send(source.weight, (limit, limit), scale)
        arrays |= {f"picture.{key}": values for key, values in picture.tensors.items()}
        finish = picture.finish
    compares_later = None
    if 1 < len(centre) <= MOST_COMPARED:
        if looks(device):
            # On the host no stream would compare them meanwhile: it is done when it is asked for.
            compares_later = partial(_compare_here, centre, limit)
        else:
            arrays |= compare(centre, limit)
    for key, values in arrays.items():
        packer.add(("head", number, key), values)
    return EnqueuedHead(source, number, device, place, finish, compares_later)


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
        wide = (wide * scale).nan_to_num_(0, 0, 0)
    if source.multi_label or len(wide) == 1:
        return wide.clone() if scale is None else wide
    return wide - wide.mean(0, keepdim=True)


def _rows(source: HeadSource, centre: Tensor, scale: Tensor | None) -> dict[str, Tensor]:
    """Arrays that are cheap.

    Args:
        source: The head.
        centre: As of `centred`.
        scale: What it was multiplied by.

    Returns:
        ``norms``, (C,), times ``scale``, 0-d, which is there if it is not 1; ``bias``, (C,), and ``templates`` where
        there are some.
    """
    arrays: dict[str, Tensor] = {"norms": torch.linalg.vector_norm(centre, dim=1)}
    if scale is not None:
        arrays["scale"] = scale
    if source.bias is not None:
        arrays["bias"] = widen(source.bias)
    if source.has_templates and source.input_shape is not None:
        # In the scale of the weights all is wide, as products of the largest floats are none.
        product = centre[:MOST_TEMPLATES].to(accumulator(centre.device))
        product = product if scale is None else product / scale
        for _, layer in reversed(source.chain[:-1]):
            product = product @ _finite(layer).to(product.dtype)
        arrays["templates"] = narrow(product).view(-1, *source.input_shape)
    return arrays


def compare(centre: Tensor, limit: int) -> dict[str, Tensor]:
    """Arrays that compare all pairs of rows, for 2 to `MOST_COMPARED` classes; C² d multiplications.

    Rows of norm 0 have cosine 0 with every other.

    Returns:
        ``cosine``, float32, (c, c); ``closest``, the largest cosines beside the diagonal, (k,), most of them twice, and
        ``places``, where they are in the rows ``rows``, (r,), of the (C, C) matrix; ``apart``, 0-d, the norm of the
        cosines less their mean, and ``simplex``, 0-d.
    """
    count = len(centre)
    gram = _gram(centre)
    # Cosines, from products of unit length.
    inverse = gram.diagonal().sqrt().reciprocal_().nan_to_num_(0, 0, 0)
    cosine = (inverse.unsqueeze(1) * inverse).mul_(gram).fill_diagonal_(-2.0)
    rows, values, places = _closest(cosine)
    cosine.fill_diagonal_(0.0)
    apart = (cosine - cosine.sum() / (count * (count - 1))).fill_diagonal_(0.0)
    # The distance from the frame, in place of the products. It is (I - 1/C) / sqrt(C - 1).
    off = gram.div_(torch.linalg.vector_norm(gram)).add_(1.0 / count / (count - 1) ** 0.5)
    off.diagonal().sub_(1.0 / (count - 1) ** 0.5)
    return {
        "cosine": pool_extreme(cosine.to(torch.float32), limit).fill_diagonal_(torch.nan),
        "closest": values,
        "rows": rows,
        "places": places,
        "apart": torch.linalg.vector_norm(apart),
        "simplex": torch.linalg.vector_norm(off),
    }


def _closest(cosine: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The largest entries of a symmetric matrix with less on its diagonal: in which rows they are, they, and where.

    Returns:
        int64, (r,); (k,), enough for the `CLOSEST` largest pairs, as each is there once or twice; int64, (k,), places
        in the matrix of these rows.
    """
    count = len(cosine)
    # Both rows of a pair that is among the k largest are among the 2 k rows with the largest entries.
    rows = cosine.amax(1).topk(min(2 * CLOSEST, count)).indices
    values, places = cosine[rows].view(-1).topk(min(2 * CLOSEST, count * (count - 1)))
    return rows, values, places


def _gram(centre: Tensor) -> Tensor:
    """All products of two rows, in the device's widest dtype, off by at most 1e-6 of the product of the norms."""
    widest = accumulator(centre.device)
    # On the host sums in float32 err by 3e-7 in half the time, unless a setting allows them to err by more.
    wide = centre if looks(centre.device) and _sums_in_full() else centre.to(widest)
    count, width = wide.shape
    if not looks(centre.device) and count * count * width <= MOST_AT_ONCE:
        return wide @ wide.T
    gram = torch.empty(count, count, dtype=widest, device=centre.device)
    # It is symmetric: a quarter of the rows at a time needs five eighths of the products.
    quarter = -(-count // 4)
    for first in range(0, count, quarter):
        end = first + quarter
        gram[first:end, first:] = wide[first:end] @ wide[first:].T
        if end < count:
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
