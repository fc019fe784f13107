"""The layer whose rows are the classes: how they lie to each other and what they look for in the input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lightning_weightviz.measure.device import accumulator, looks
from lightning_weightviz.measure.layout import is_plain, scale_of, widen
from lightning_weightviz.measure.packing import Arrays
from lightning_weightviz.measure.pooling import pool
from lightning_weightviz.snapshot import Head, Picture

MOST_COMPARED = 2048
"""With more classes not all pairs are compared."""
MOST_TEMPLATES = 100
CLOSEST = 7


@dataclass(frozen=True)
class HeadSource:
    """Where a `lightning_weightviz.snapshot.Head` comes from.

    Attributes:
        name: Of the weight.
        class_names: One a class.
        weight: (C, d), any float dtype; that of a 1x1 convolution comes flattened.
        bias: (C,) or None.
        chain: ``(module name, weight)`` of the Linear layers from the input up to and including the head; empty
            where there is no such chain.
        input_shape: (channels, height, width) or None.
        input_shape_given: Whether the user gave it.
    """

    name: str
    class_names: tuple[str, ...]
    weight: Tensor
    bias: Tensor | None = None
    chain: tuple[tuple[str, Tensor], ...] = ()
    input_shape: tuple[int, int, int] | None = None
    input_shape_given: bool = False

    @property
    def has_templates(self) -> bool:
        """Whether the product of the chain's weights can be drawn as images of the input."""
        if not self.chain or self.input_shape is None or self.weight.numel() == 0:
            return False
        return int(np.prod(self.input_shape)) == self.chain[0][1].shape[1]


def centred(source: HeadSource) -> Tensor:
    """The rows less their mean over the classes, (C, d), float32 or float64; the rows as they are where C is 1.

    A copy. What is not finite counts as 0.
    """
    wide = _finite(widen(source.weight.detach()))
    return wide - wide.mean(0, keepdim=True) if len(wide) > 1 else wide.clone()


def rows(source: HeadSource, limit: int, centre: Tensor) -> dict[str, Tensor]:
    """Arrays that are cheap: the picture's, ``norms``, (C,), ``bias``, (C,), and ``templates`` where there are some."""
    weight = source.weight.detach()
    plain = is_plain(weight)
    arrays = {
        f"picture.{key}": value for key, value in pool(weight, limit, None if plain else scale_of(weight)).items()
    }
    arrays["norms"] = torch.linalg.vector_norm(centre, dim=1)
    if source.bias is not None:
        arrays["bias"] = source.bias.detach().to(centre.dtype)
    if source.has_templates and source.input_shape is not None:
        product = centre[:MOST_TEMPLATES].to(accumulator(centre.device))
        for _, layer in reversed(source.chain[:-1]):
            layer = layer.detach()
            product = product @ _finite(layer.to(product.dtype))
        arrays["templates"] = product.to(torch.float32).view(-1, *source.input_shape)
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
    norms = gram.diagonal().clamp(min=0).sqrt()
    inverse = torch.where(norms > 0, 1.0 / norms, 0.0)
    cosine = gram * inverse.unsqueeze(1) * inverse
    other = torch.ones_like(cosine, dtype=torch.bool).triu(1)
    pairs = count * (count - 1) // 2
    half = torch.where(other, cosine, 0.0)
    mean = half.sum() / pairs
    spread = (torch.where(other, cosine - mean, 0.0).square().sum() / pairs).sqrt()
    closest = torch.where(other, cosine, -2.0).view(-1).topk(min(CLOSEST, pairs))
    frame = (torch.eye(count, dtype=gram.dtype, device=gram.device) - 1.0 / count) / (count - 1) ** 0.5
    simplex = torch.linalg.vector_norm(gram / torch.linalg.vector_norm(gram) - frame)
    picture = pool((half + half.T).to(torch.float32), limit, None)["extreme"]
    diagonal = torch.eye(len(picture), dtype=torch.bool, device=gram.device)
    return {
        "cosine": torch.where(diagonal, torch.nan, picture),
        "closest": closest.values,
        "pairs": closest.indices,
        "spread": spread,
        "simplex": simplex,
    }


def _gram(centre: Tensor) -> Tensor:
    """All products of two rows, in the device's widest dtype."""
    if not looks(centre.device):
        wide = centre.to(accumulator(centre.device))
        return wide @ wide.T
    # numpy sees that the product is symmetric, and no setting of torch makes it less precise than its dtype.
    values = centre.numpy()
    return torch.from_numpy(values @ values.T).to(torch.float64)


def _finite(values: Tensor) -> Tensor:
    """The values, with 0 for what is not finite; themselves where the host sees that all are."""
    return values if is_plain(values) else torch.where(values.isfinite(), values, 0.0)


def build(source: HeadSource, arrays: Arrays) -> Head:
    """The head from what arrived of `rows` and, where there was something to compare, of `compare`."""
    count, width = source.weight.shape
    closest: tuple[tuple[int, int, float], ...] = ()
    if "pairs" in arrays:
        closest = tuple(
            (int(pair) // count, int(pair) % count, float(value))
            for pair, value in zip(arrays["pairs"], arrays["closest"], strict=True)
        )
    return Head(
        name=source.name,
        class_names=source.class_names,
        width=width,
        picture=picture_from({key.removeprefix("picture."): value for key, value in arrays.items()}, (count, width)),
        norms=arrays["norms"].astype(np.float64),
        bias=arrays["bias"].astype(np.float64) if "bias" in arrays else None,
        cosine=arrays["cosine"].astype(np.float32) if "cosine" in arrays else None,
        closest=closest,
        cosine_spread=float(arrays["spread"]) if "spread" in arrays else float("nan"),
        simplex_distance=float(arrays["simplex"]) if "simplex" in arrays and width >= count - 1 else float("nan"),
        templates=arrays["templates"].astype(np.float32) if "templates" in arrays else None,
        template_path=tuple(name for name, _ in source.chain) if "templates" in arrays else (),
        template_shape_given=source.input_shape_given,
        single=count == 1,
    )


def picture_from(arrays: Arrays, shape: tuple[int, int]) -> Picture:
    """A picture from the arrays of `pool`, and ``filters`` where there are some."""
    filters = arrays.get("filters")
    return Picture(
        extreme=arrays["extreme"].astype(np.float32),
        rms=arrays["rms"].astype(np.float32),
        shape=shape,
        row_norms=arrays["row_norms"].astype(np.float32),
        column_norms=arrays["column_norms"].astype(np.float32),
        filters=None if filters is None else filters.astype(np.float32),
    )
