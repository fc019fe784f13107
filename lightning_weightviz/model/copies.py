"""Copies of tensors in memory that is kept from one time to the next: new memory costs six times as much as copying."""

from __future__ import annotations

from collections.abc import Hashable

import torch
from torch import Tensor


class Copies:
    """Copies tensors, each once, into the memory of the copy that it had the time before."""

    def __init__(self) -> None:
        self._before: dict[Hashable, Tensor] = {}
        self._now: dict[Hashable, Tensor] = {}

    def renew(self) -> None:
        """Begins anew: copies made so far will be overwritten."""
        self._before, self._now = self._now, {}

    def of(self, tensor: Tensor) -> Tensor:
        """A tensor of the same values, shape and order of memory; the same one if asked again before `renew`.

        Args:
            tensor: Stays alive until the next `renew`, so that no other comes to lie at its address.
        """
        key = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype, tensor.device)
        if key not in self._now:
            memory = self._before.pop(key, None)
            self._now[key] = (torch.empty_like(tensor) if memory is None else memory).copy_(tensor)
        return self._now[key]
