"""Files of weights: each kind is shown like its module, and what is damaged or hostile is refused in one line."""

from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lightning_weightviz import visualize_weights
from lightning_weightviz.model.files import read_checkpoint
from tests.support.memory import MIB, resident
from tests.support.training import Classifier, batches, trainer

safetensors_torch = pytest.importorskip("safetensors.torch", reason="safetensors is not installed")

RAN = "a_file_ran_code"


class Runs:
    """What pickle turns into a call of ours when it is loaded."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return exec, (f"import sys; sys.{RAN} = True",)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))


def as_state_dict(folder: Path, model: nn.Module) -> Path:
    torch.save(model.state_dict(), path := folder / "weights.pth")
    return path


def as_checkpoint(folder: Path, model: nn.Module) -> Path:
    state = {"epoch": 3, "global_step": 40, "state_dict": model.state_dict(), "hyper_parameters": {"lr": 0.1}}
    torch.save(state, path := folder / "last.ckpt")
    return path


def as_loop_checkpoint(folder: Path, model: nn.Module) -> Path:
    torch.save({"step": 40, "model_state_dict": model.state_dict(), "lr": 0.1}, path := folder / "loop.pt")
    return path


def as_old_file(folder: Path, model: nn.Module) -> Path:
    torch.save(model.state_dict(), path := folder / "old.pt", _use_new_zipfile_serialization=False)
    return path


def as_safetensors(folder: Path, model: nn.Module) -> Path:
    safetensors_torch.save_file(model.state_dict(), path := folder / "model.safetensors")
    return path


def as_shards(folder: Path, model: nn.Module) -> Path:
    state = list(model.state_dict().items())
    where: dict[str, str] = {}
    for number, part in enumerate((state[:3], state[3:]), 1):
        shard = f"model-{number:05}-of-00002.safetensors"
        safetensors_torch.save_file(dict(part), folder / shard)
        where |= {name: shard for name, _ in part}
    (path := folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return path


KINDS = [as_state_dict, as_checkpoint, as_loop_checkpoint, as_old_file, as_safetensors, as_shards]


@pytest.mark.parametrize("write", KINDS)
def test_each_kind_of_file_is_shown_like_its_module(write: Callable[[Path, nn.Module], Path], tmp_path: Path) -> None:
    model = network()
    path = write(tmp_path, model)
    before = path.read_bytes()
    # Safetensors are kept in the order of their sizes, so that the order of the pages may be another.
    of_file, of_module = (
        {
            str(axes.get_label()): np.asarray(axes.images[0].get_array())
            for axes in visualize_weights(given, views=("heatmap", "classes")).axes
        }
        for given in (str(path), model)
    )
    assert of_file.keys() == of_module.keys()
    for tag, page in of_module.items():
        np.testing.assert_array_equal(of_file[tag], page, err_msg=tag)
    assert path.read_bytes() == before


def test_a_checkpoint_of_a_trainer(tmp_path: Path) -> None:
    model = Classifier()
    fitted = trainer(tmp_path, max_epochs=2)
    fitted.fit(model, batches())
    fitted.save_checkpoint(path := tmp_path / "last.ckpt")
    checkpoint = read_checkpoint(path)
    assert (checkpoint.step, checkpoint.epoch) == (fitted.global_step, fitted.current_epoch)
    assert all(torch.equal(checkpoint.tensors[name], tensor) for name, tensor in model.state_dict().items())


def test_weights_of_many_types_come_as_they_are(tmp_path: Path) -> None:
    state = {
        "half": torch.randn(4, 4).half(),
        "brain": torch.randn(4, 4).bfloat16(),
        "double": torch.randn(4, 4).double(),
        "eight": torch.randn(4, 4).to(torch.float8_e4m3fn),
        "whole": torch.arange(4),
        "scalar": torch.tensor(1.5),
        "empty": torch.zeros(0, 4),
    }
    for name, save in (("a.pt", torch.save), ("a.safetensors", safetensors_torch.save_file)):
        save(state, tmp_path / name)
        found = read_checkpoint(tmp_path / name).tensors
        assert {key: (one.dtype, one.shape) for key, one in found.items()} == {
            key: (one.dtype, one.shape) for key, one in state.items()
        }
        assert all(torch.equal(found[key].to(torch.float64), one.to(torch.float64)) for key, one in state.items())


def test_large_tensors_are_mapped_and_not_read(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(64, 2**20)}, tmp_path / "a.pt")
    safetensors_torch.save_file({"a": torch.zeros(64, 2**20)}, tmp_path / "a.safetensors")
    for name in ("a.pt", "a.safetensors"):
        before = resident()
        tensor = read_checkpoint(tmp_path / name).tensors["a"]
        assert resident() - before < 128 * MIB, f"{name}: {tensor.nbytes} bytes were read"


def write_module(path: Path) -> None:
    torch.save(network(), path)


def write_code(path: Path) -> None:
    torch.save({"state_dict": {"fc.weight": Runs()}}, path)


def write_code_beside_weights(path: Path) -> None:
    torch.save({"state_dict": network().state_dict(), "hyper_parameters": Runs()}, path)


def write_plain_pickle(path: Path) -> None:
    path.write_bytes(pickle.dumps(Runs()))


def write_old_pickle(path: Path) -> None:
    torch.save({"a": Runs()}, path, _use_new_zipfile_serialization=False)


def write_script(path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), path)


def write_truncated(path: Path) -> None:
    torch.save(network().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-2000])


def write_truncated_head(path: Path) -> None:
    torch.save(network().state_dict(), path)
    path.write_bytes(path.read_bytes()[:100])


def write_empty(path: Path) -> None:
    path.write_bytes(b"")


def write_folder(path: Path) -> None:
    path.mkdir()


def write_text(path: Path) -> None:
    path.write_text("no weights here\n" * 20)


def write_objects(path: Path) -> None:
    torch.save({"fc.weight": torch.zeros(2, 2), "classes": ["cat", "dog"]}, path)


def write_numbers(path: Path) -> None:
    torch.save({1: torch.zeros(2, 2)}, path)


def write_tensor(path: Path) -> None:
    torch.save(torch.zeros(2, 2), path)


def write_nothing(path: Path) -> None:
    torch.save({}, path)


def write_no_file(path: Path) -> None:
    del path


def write_long_header(path: Path) -> None:
    path.write_bytes((2**62).to_bytes(8, "little") + b"{}")


def write_offsets_outside(path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 1 << 40]}}).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))


def index(weight_map: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        safetensors_torch.save_file({"a": torch.zeros(2, 2)}, path.with_name("one.safetensors"))
        path.write_text(json.dumps({"weight_map": weight_map}))

    return write


HOSTILE: list[tuple[str, Callable[[Path], None], str]] = [
    ("a.pt", write_module, "only running code could build"),
    ("a.ckpt", write_code, r"it holds (builtins\.)?exec, which only running code could build"),
    ("a.ckpt", write_code_beside_weights, "only running code could build"),
    ("a.pth", write_plain_pickle, "not written by torch.save"),
    ("a.pth", write_old_pickle, r"it holds (builtins\.)?exec, which only running code could build"),
    ("a.pt", write_script, "TorchScript"),
    ("a.pt", write_truncated, "damaged"),
    ("a.pt", write_truncated_head, "damaged"),
    ("a.pt", write_text, "not written by torch.save"),
    ("a.pt", write_empty, "empty"),
    ("a.pt", write_folder, "directory"),
    ("a.pt", write_no_file, "no such file"),
    ("a.pt", write_objects, "tensors by name, got 'classes': list"),
    ("a.pt", write_numbers, "tensors by name, got 1"),
    ("a.pt", write_tensor, "must hold a state dict"),
    ("a.pt", write_nothing, "no weights"),
    ("a.onnx", write_text, r"must end in one of \.ckpt"),
    ("a.safetensors", write_text, "no safetensors file"),
    ("a.safetensors", write_truncated, "no safetensors file"),
    ("a.safetensors", write_long_header, "no safetensors file"),
    ("a.safetensors", write_offsets_outside, "no safetensors file"),
    ("m.safetensors.index.json", write_text, "no index"),
    ("m.safetensors.index.json", index(["a"]), "no index"),
    ("m.safetensors.index.json", index({"a": "../one.safetensors"}), "not a safetensors file in its folder"),
    ("m.safetensors.index.json", index({"a": "m.safetensors.index.json"}), "not a safetensors file in its folder"),
    ("m.safetensors.index.json", index({"a": 3}), "not a safetensors file in its folder"),
    ("m.safetensors.index.json", index({"a": "two.safetensors"}), "two.safetensors: there is no such file"),
    ("m.safetensors.index.json", index({"a": "one.safetensors", "b": "one.safetensors"}), "do not hold b"),
]


def test_the_hostile_object_does_run_code_where_it_is_let(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, RAN, False, raising=False)
    pickle.loads(pickle.dumps(Runs()))
    assert getattr(sys, RAN)


@pytest.mark.parametrize(("name", "write", "reason"), HOSTILE, ids=[f"{one[0]}-{one[1].__name__}" for one in HOSTILE])
def test_what_cannot_be_trusted_is_refused_in_one_line(
    name: str, write: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    write(path := tmp_path / name)
    with pytest.raises((ValueError, FileNotFoundError), match=reason) as raised:
        visualize_weights(path)
    assert str(path.parent) in str(raised.value) and "\n" not in str(raised.value)
    assert not hasattr(sys, RAN)


def test_without_safetensors_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = as_safetensors(tmp_path, network())
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match=r"model\.safetensors: .*pip install 'lightning-weightviz\[files\]'"):
        visualize_weights(path)
