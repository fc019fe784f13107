"""Weights in use that are made of other parameters: masked, normalised. Made without calling the user's module.

A call could change what the module keeps (spectral norm's vectors) or what the user counts.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize

from lightning_weightviz.model.flat_shards import Flat
from lightning_weightviz.model.sites import attribute_of, own_buffers, own_parameters

MASKED = "_orig"
"""What `torch.nn.utils.prune` puts behind the name of a weight that it masks."""


def mask_of(module: nn.Module, attribute: str) -> Tensor | None:
    """The mask of a pruned parameter, 0 where it is not in use; None where there is none."""
    if not attribute.endswith(MASKED):
        return None
    return own_buffers(module).get(f"{attribute.removesuffix(MASKED)}_mask")


def weight_in_use(module: nn.Module, name: str = "weight") -> Tensor | None:
    """The weight with which a module computes; None where it has none, or one that is made in an unknown way.

    Args:
        module: Any; pruned, or under weight or spectral normalisation, of the old kind or as a parametrization.
        name: Of the weight, as users read it: ``module.weight``.
    """
    own, kept = own_parameters(module), own_buffers(module)
    if name in own:
        return own[name]
    if any(isinstance(one, Flat) for one in own.values()):
        return None  # it would have to be gathered first
    if f"{name}_g" in own and f"{name}_v" in own:
        return _weight_norm(own[f"{name}_v"], own[f"{name}_g"])
    if f"{name}_orig" in own:
        original = own[f"{name}_orig"]
        mask = mask_of(module, f"{name}{MASKED}")
        if mask is not None:
            return original * mask
        return _spectral_norm(original, kept.get(f"{name}_u"), kept.get(f"{name}_v"), 0)
    return _parametrized(module, name)


def _parametrized(module: nn.Module, name: str) -> Tensor | None:
    made = attribute_of(module, "parametrizations", {})
    if name not in made:
        return None
    chain = made[name]
    originals = own_parameters(chain)
    if any(isinstance(one, Flat) for one in originals.values()):
        return None
    if "original" not in originals:
        step = chain[0] if len(chain) == 1 else None
        # Weight normalisation keeps the lengths first and the directions second.
        if isinstance(step, parametrizations._WeightNorm) and {"original0", "original1"} <= originals.keys():
            return _weight_norm(originals["original1"], originals["original0"])
        return None
    value: Tensor | None = originals["original"]
    for step in chain:
        value = None if value is None else _applied(step, value)
    return value


def _applied(step: nn.Module, value: Tensor) -> Tensor | None:
    if isinstance(step, parametrizations._SpectralNorm):
        return _spectral_norm(value, own_buffers(step).get("_u"), own_buffers(step).get("_v"), step.dim)
    return None


def _weight_norm(direction: Tensor, length: Tensor) -> Tensor:
    # The lengths have size 1 along every axis but those of which each index has a length of its own.
    shared = [axis for axis, size in enumerate(length.shape) if size == 1] if length.ndim else None
    norm = torch.linalg.vector_norm(direction.detach(), dim=shared, keepdim=bool(shared))
    scaled: Tensor = direction * (length / norm)
    return scaled


def _spectral_norm(weight: Tensor, u: Tensor | None, v: Tensor | None, dim: int) -> Tensor | None:
    if u is None or v is None:
        return None
    matrix = weight.detach().movedim(dim, 0).flatten(1)
    return weight / torch.dot(u.to(matrix.dtype), torch.mv(matrix, v.to(matrix.dtype)))


def is_parametrized(module: nn.Module) -> bool:
    """Whether a module is a list of parametrizations, whose parameters belong to the module above it."""
    return isinstance(module, parametrize.ParametrizationList)
