"""What is in the HDF5 file of Keras' weights: groups of variables, whose values stay in the file."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lightning_weightviz.model.in_file import InFile
from lightning_weightviz.model.keras_archive import Archive, refuse_bomb

VARIABLES = "vars"
MOST_DEPTH = 64
_NUMBER = re.compile(r"_(\d+)$")


@dataclass(frozen=True)
class Group:
    """A layer, or what holds some, in the file.

    Attributes:
        name: Of the layer; "" where the file does not say.
        variables: The layer's own by key, ``"0"``, ``"1"`` and so on, in order.
        below: Groups in it by key, in the order in which they were written as far as that can be told.
        is_layer: Whether it has a place for variables; else it is a list of layers, or a layer of an old file.
        written: Where its first variable is described in the file; such places are given out in order, mostly.
    """

    name: str
    variables: Mapping[str, InFile]
    below: Mapping[str, Group]
    is_layer: bool
    written: int


def groups_in(archive: Archive) -> Group:
    """All groups of a file of weights; no values are read.

    Raises:
        ValueError: It was not written by Keras 3, or points outside of itself. The message names the file.
        ImportError: h5py is not installed.
    """
    with archive.weights() as file:
        if "layer_names" in file.attrs or "model_weights" in file:
            raise ValueError(
                f"{archive.path}: it has the layout of Keras 2; load it with Keras 3, and save it as .keras"
            )
        return _Scan(archive).group(file, 0)


class _Scan:
    def __init__(self, archive: Archive) -> None:
        import h5py

        self._h5py, self._archive = h5py, archive
        self._seen: set[int] = set()

    def group(self, group: Any, depth: int) -> Group:
        self._check(group, depth)
        name, variables, below, first = "", dict[str, InFile](), dict[str, Group](), math.inf
        for key in group:
            child = self._child(group, key)
            if key == VARIABLES and isinstance(child, self._h5py.Group):
                name = _text(child.attrs.get("name"))
                variables, first = self._variables(child, depth + 1)
            elif isinstance(child, self._h5py.Group):
                below[key] = self.group(child, depth + 1)
        written = min([first, *(one.written for one in below.values())])
        return Group(name, variables, _in_order(below), VARIABLES in group, written)  # type: ignore[arg-type]  # or inf

    def _variables(self, group: Any, depth: int) -> tuple[dict[str, InFile], float]:
        self._check(group, depth)
        keys = sorted(group, key=lambda key: (not key.isdecimal(), int(key) if key.isdecimal() else 0, key))
        datasets = {key: self._child(group, key) for key in keys}
        plain = {key: one for key, one in datasets.items() if isinstance(one, self._h5py.Dataset)}
        first = min((self._h5py.h5o.get_info(one.id).addr for one in plain.values()), default=math.inf)
        # Texts and the like are no weights.
        return {key: self._tensor(one) for key, one in plain.items() if one.dtype.kind in "fiubcV"}, first

    def _check(self, group: Any, depth: int) -> None:
        """Refuses groups that hold themselves."""
        address = self._h5py.h5o.get_info(group.id).addr
        if address in self._seen or depth > MOST_DEPTH:
            raise ValueError(f"{self._archive.path}: {group.name} is there more than once, which Keras does not write")
        self._seen.add(address)

    def _child(self, group: Any, key: str) -> Any:
        link = group.get(key, getlink=True)
        if not isinstance(link, self._h5py.HardLink):
            raise ValueError(f"{self._archive.path}: {group.name}/{key} is a link, which is not followed")
        return group[key]

    def _tensor(self, dataset: Any) -> InFile:
        path, name = self._archive.path, str(dataset.name)
        if dataset.external or dataset.is_virtual:
            raise ValueError(f"{path}: {name} has its values in other files, which are not read")
        refuse_bomb(path, name, int(dataset.nbytes), int(dataset.id.get_storage_size()))
        brain = _text(dataset.attrs.get("dtype")) == "bfloat16" and dataset.dtype.itemsize == 2
        try:
            dtype = torch.bfloat16 if brain else _read(np.empty(0, dataset.dtype), False).dtype
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: {name} has numbers of the type {dataset.dtype}, which is not known") from error
        like = torch.empty(dataset.shape or (), dtype=dtype, device="meta")
        return InFile(like, partial(_values, self._archive, name, like, brain))


def _values(archive: Archive, name: str, like: Tensor, brain: bool) -> Tensor:
    """A variable's values, read now."""
    with archive.weights() as file:
        tensor = _read(np.asarray(file[name][()]), brain)
    if tensor.shape != like.shape or tensor.dtype != like.dtype:
        raise ValueError(f"{archive.path}: it was changed while it was read")
    return tensor


def _read(array: Any, brain: bool) -> Tensor:
    if brain:
        return torch.from_numpy(array.view(np.uint16)).view(torch.bfloat16)
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return value if isinstance(value, str) else ""


def split_key(key: str) -> tuple[str, int]:
    """A key without the number that Keras gives to the second of a class and to all after it.

    >>> split_key("dense"), split_key("conv2d_12")
    (('dense', 0), ('conv2d', 12))
    """
    number = _NUMBER.search(key)
    return (key[: number.start()], int(number[1])) if number else (key, 0)


def _in_order(groups: Mapping[str, Group]) -> dict[str, Group]:
    """By the place in the file; those of one class, which are numbered, by their numbers."""
    keys: Sequence[str] = sorted(groups, key=lambda key: groups[key].written)
    of_class: dict[str, list[str]] = {}
    for key in sorted(keys, key=split_key):
        of_class.setdefault(split_key(key)[0], []).append(key)
    turns = {name: iter(members) for name, members in of_class.items()}
    return {key: groups[key] for key in (next(turns[split_key(key)[0]]) for key in keys)}
