"""Weights in files: read without running anything that they hold; mapped, or left in the file until asked for."""

from __future__ import annotations

import json
import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

from lightning_weightviz.model.in_file import InFile
from lightning_weightviz.model.keras_archive import refuse_bomb
from lightning_weightviz.model.keras_files import read_keras
from lightning_weightviz.model.keras_model import Mirrored, mirror_of_model
from lightning_weightviz.model.keras_saved import SavedLayer
from lightning_weightviz.model.mapped import bounded
from lightning_weightviz.model.names import clean_name
from lightning_weightviz.model.state_dict import module_of

TORCH_SUFFIXES = (".ckpt", ".pt", ".pth")
INDEX_SUFFIX = ".safetensors.index.json"
KERAS_SUFFIXES = (".keras", ".weights.h5")
SUFFIXES = (*TORCH_SUFFIXES, ".safetensors", INDEX_SUFFIX, *KERAS_SUFFIXES)

WRAPPERS = ("state_dict", "model_state_dict", "model")
"""Under which of its keys a checkpoint holds the state dict: Lightning's, then those that training loops use."""
_MOST_STEPS = 1 << 53
"""What counts more is no count; those below are whole in a float64, as axes have them."""


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds.

    Attributes:
        path: Of the file.
        tensors: The weights by clean name, in the file's own order of axes: mapped from it; of Keras', left in it
            (`InFile`).
        step: Optimizer steps taken; None where the file does not say.
        epoch: Epochs begun, from 0; None where the file does not say.
        files: All files that hold tensors.
        keras: The model, where Keras wrote the file.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    step: int | None = None
    epoch: int | None = None
    files: tuple[Path, ...] = ()
    keras: SavedLayer | None = None

    def mirrored(self, input_shape: tuple[int, int, int] | None = None) -> Mirrored:
        """The weights as modules, with what the file tells of the head and of the input.

        Args:
            input_shape: (channels, height, width) of the input, by the user.
        """
        if self.keras is not None:
            return mirror_of_model(self.keras, input_shape)
        return Mirrored(module_of(self.tensors), None, input_shape)

    def bounded(self) -> AbstractContextManager[None]:
        """While it lasts, what was read of the mapped files leaves memory; it is read again when it is asked for."""
        return bounded(self.files or (self.path,))


def input_shape_of(checkpoints: Iterable[Checkpoint]) -> tuple[int, int, int] | None:
    """(channels, height, width) of the input of one network, by the first of its files that tells; None: none does."""
    shapes = (checkpoint.mirrored().input_shape for checkpoint in checkpoints if checkpoint.keras is not None)
    return next((shape for shape in shapes if shape is not None), None)


def read_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Opens a file of weights. Nothing in it is run.

    Args:
        path: A ``.ckpt``, ``.pt``, ``.pth`` or ``.safetensors`` file, the index of a model in several files
            (``model.safetensors.index.json``), or a file of Keras 3: ``.keras`` or ``.weights.h5``. The latter holds no
            config: classes are told by keys and shapes, and nothing says what the outputs are.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no file of weights, is damaged, or holds objects that only running its code could build. The
            message names the file and the reason.
        ImportError: A package is needed to read it, and is not installed.
    """
    path = Path(path)
    _check(path)
    checkpoint = _reader(path)(path)
    if not checkpoint.tensors:
        raise ValueError(f"{path}: it holds no weights")
    clean = {clean_name(name): tensor for name, tensor in checkpoint.tensors.items()}
    # A name that two tensors would go by is left to neither.
    return replace(checkpoint, tensors=clean) if len(clean) == len(checkpoint.tensors) else checkpoint


def _check(path: Path) -> None:
    if path.is_dir():
        raise ValueError(f"{path}: it is a directory; name a file in it")
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: it is empty")


def _reader(path: Path) -> Callable[[Path], Checkpoint]:
    name = path.name.lower()
    if name.endswith(TORCH_SUFFIXES):
        return _read_torch
    if name.endswith(".safetensors"):
        return _read_safetensors
    if name.endswith(INDEX_SUFFIX):
        return _read_index
    if name.endswith(KERAS_SUFFIXES):
        return _read_keras
    raise ValueError(f"{path}: the name must end in one of {', '.join(SUFFIXES)}")


def _read_torch(path: Path) -> Checkpoint:
    try:
        with warnings.catch_warnings():
            # Torch warns of what it refuses next.
            warnings.simplefilter("ignore")
            # Files from before PyTorch 1.6 are no zip and cannot be mapped.
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:
        _refuse(path, error)
    if not isinstance(loaded, Mapping):
        raise ValueError(f"{path}: it must hold a state dict or a checkpoint with one, got {type(loaded).__name__}")
    wrapped = next((loaded[key] for key in WRAPPERS if isinstance(loaded.get(key), Mapping)), loaded)
    return Checkpoint(path, _tensors(path, wrapped), _count(loaded, "global_step", "step"), _count(loaded, "epoch"))


def _refuse(path: Path, error: Exception) -> NoReturn:
    """Says in a line why torch did not read a file."""
    text = str(error)
    if "TorchScript" in text:
        raise ValueError(f"{path}: it is a TorchScript archive, which is code; save the state dict instead") from error
    if isinstance(error, pickle.UnpicklingError) and "Unsupported operand" not in text:
        held = re.search(r"GLOBAL (\S+)", text)
        name = held[1] if held else "objects"
        raise ValueError(f"{path}: it holds {name}, which only running code could build, so it was not read") from error
    raise ValueError(f"{path}: it is damaged, or was not written by torch.save ({type(error).__name__})") from error


def _tensors(path: Path, state: Mapping[Any, Any]) -> dict[str, Tensor]:
    for name, value in state.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(f"{path}: a state dict must hold tensors by name, got {name!r}: {type(value).__name__}")
        if value.layout == torch.strided and not value.is_meta:
            # One number can be saved as a matrix of any size.
            refuse_bomb(path, name, value.numel() * value.itemsize, value.untyped_storage().nbytes())
    return dict(state)


def _count(loaded: Mapping[Any, Any], *keys: str) -> int | None:
    found = (loaded.get(key) for key in keys)
    return next((one for one in found if type(one) is int and 0 <= one < _MOST_STEPS), None)


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        from safetensors import safe_open
    except ImportError as error:
        raise ImportError(f"{path}: reading it needs safetensors: pip install 'lightning-weightviz[files]'") from error
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            return Checkpoint(path, {name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118  # no mapping
    except Exception as error:
        raise ValueError(f"{path}: it is damaged, or no safetensors file ({error})") from error


def _read_index(path: Path) -> Checkpoint:
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
        shards = sorted(set(files.values()), key=str)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: it is no index of safetensors files: there is no weight_map") from error
    tensors: dict[str, Tensor] = {}
    for shard in shards:
        # An index names files beside it; one that names others is not to be trusted.
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise ValueError(f"{path}: it names {shard!r}, which is not a safetensors file in its folder")
        _check(path.with_name(shard))
        tensors |= _read_safetensors(path.with_name(shard)).tensors
    missing = sorted(files.keys() - tensors.keys())
    if missing:
        raise ValueError(f"{path}: its files do not hold {', '.join(missing[:3])}{', …' if len(missing) > 3 else ''}")
    return Checkpoint(path, {name: tensors[name] for name in files}, files=tuple(path.with_name(one) for one in shards))


def _read_keras(path: Path) -> Checkpoint:
    model = read_keras(path)
    parameters = mirror_of_model(model).module.named_parameters()
    kept = {name: one.source for name, one in parameters if isinstance(one, InFile)}
    return Checkpoint(path, kept, keras=model)
