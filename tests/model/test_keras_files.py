"""Files in Keras' layout, written by h5py: names, axes and state; and what is damaged or hostile."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lightning_weightviz import visualize_weights
from lightning_weightviz.command.comparison import change_of
from lightning_weightviz.command.inspection import measure_each, sites_of
from lightning_weightviz.model.files import read_checkpoint
from lightning_weightviz.model.in_file import InFile
from lightning_weightviz.model.selection import select
from tests.support.memory import MIB, peak_of

h5py = pytest.importorskip("h5py", reason="h5py is not installed")

Tree = Mapping[str, Any]
"""By path of a layer: its name, and its variables."""


@pytest.fixture(autouse=True)
def no_keras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever imports Keras here fails."""
    monkeypatch.setitem(sys.modules, "keras", None)


def numbers(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype("float32")


def write_weights(path: Path, tree: Tree) -> Path:
    with h5py.File(path, "w") as file:
        for place, (name, *variables) in tree.items():
            group = file.create_group(f"{place}/vars" if place else "vars")
            if name:
                group.attrs["name"] = name
            for index, variable in enumerate(variables):
                group[str(index)] = variable
    return path


def layer(class_name: str, name: str, **settings: Any) -> dict[str, Any]:
    return {"module": "keras.layers", "class_name": class_name, "config": {"name": name, **settings}}


def sequential(*layers: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "model", "layers": list(layers)}, **more}


def write_keras(path: Path, config: Any, tree: Tree, compression: int = zipfile.ZIP_STORED) -> Path:
    weights = write_weights(path.with_suffix(".h5"), tree)
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("metadata.json", "{}")
        file.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        file.write(weights, "model.weights.h5")
    weights.unlink()
    return path


KERNEL, BIAS, LAST = numbers(784, 16), numbers(16), numbers(16, 10)
MLP = {"": ("model",), "layers/dense": ("fc1", KERNEL, BIAS), "layers/dense_1": ("fc2", LAST)}
CONFIG = sequential(
    layer("Dense", "fc1", units=16, activation="relu"),
    layer("Dense", "fc2", units=10, use_bias=False, activation="softmax"),
)


def shown(path: Path) -> dict[str, tuple[tuple[int, ...], str]]:
    """Shape and kind by name."""
    mirrored = read_checkpoint(path).mirrored()
    selection = select(mirrored.module, trace=mirrored.trace)
    return {site.parameter.name: (site.parameter.own_shape, site.parameter.kind) for site in selection.sites}


def heads(path: Path) -> list[tuple[str, bool]]:
    mirrored = read_checkpoint(path).mirrored()
    return [(head.name, head.multi_label) for head in select(mirrored.module, trace=mirrored.trace).heads]


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_values_are_those_of_the_file(compression: int, tmp_path: Path) -> None:
    path = write_keras(tmp_path / "m.keras", CONFIG, MLP, compression)
    before = path.read_bytes()
    checkpoint = read_checkpoint(path)
    assert list(checkpoint.tensors) == ["fc1.kernel", "fc1.bias", "fc2.kernel"]
    for name, expected in (("fc1.kernel", KERNEL), ("fc1.bias", BIAS), ("fc2.kernel", LAST)):
        tensor = checkpoint.tensors[name]
        assert isinstance(tensor, InFile)
        np.testing.assert_array_equal(tensor.read().numpy(), expected)
    parameters: dict[str, Any] = dict(checkpoint.mirrored().module.named_parameters())
    np.testing.assert_array_equal(parameters["fc1.kernel"].read().numpy(), KERNEL.T)
    assert shown(path) == {
        "fc1.kernel": ((784, 16), "linear"),
        "fc1.bias": ((16,), "bias"),
        "fc2.kernel": ((16, 10), "head"),
    }
    assert heads(path) == [("fc2.kernel", False)] and path.read_bytes() == before


def test_a_state_dict_of_the_same_weights_is_drawn_alike(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "m.weights.h5", MLP)
    state = {"fc1.weight": torch.from_numpy(KERNEL.T.copy()), "fc1.bias": torch.from_numpy(BIAS)}
    mine, theirs = visualize_weights(path, "fc1"), visualize_weights(state, "fc1")
    for axes, other in zip(mine.axes, theirs.axes, strict=True):
        page, expected = (np.asarray(one.images[0].get_array()) for one in (axes, other))
        np.testing.assert_array_equal(page[72:], expected[72:])


def test_state_is_left_out_by_the_config(tmp_path: Path) -> None:
    vectors = [numbers(4) for _ in range(4)]
    tree: Tree = {
        "layers/batch_normalization": ("a", *vectors),
        "layers/batch_normalization_1": ("b", *vectors[:3]),
        "layers/batch_normalization_2": ("c", *vectors[:3]),
        "layers/batch_normalization_3": ("d", *vectors[:2]),
        "layers/layer_normalization": ("e", vectors[0]),
        "layers/normalization": ("f", *vectors[:2], np.array(3)),
        "layers/rms_normalization": ("g", vectors[0]),
        "optimizer": ("adam", np.array(7), np.array(0.1), *vectors),
    }
    config = sequential(
        layer("BatchNormalization", "a"),
        layer("BatchNormalization", "b", center=False),
        layer("BatchNormalization", "c", scale=False),
        layer("BatchNormalization", "d", scale=False, center=False),
        layer("LayerNormalization", "e", scale=False),
        layer("Normalization", "f"),
        layer("RMSNormalization", "g"),
    )
    expected = ["a.gamma", "a.beta", "b.gamma", "c.beta", "e.beta", "g.scale"]
    assert list(shown(write_keras(tmp_path / "m.keras", config, tree))) == expected
    # Weights alone do not say which of the two is there, and a number is no wrong name.
    expected = ["a.gamma", "a.beta", "b.0", "c.0", "e.0", "g.scale"]
    assert list(shown(write_weights(tmp_path / "m.weights.h5", tree))) == expected


def test_layers_come_in_the_order_in_which_they_were_written_and_numbered(tmp_path: Path) -> None:
    keys = ["layers/dense", *(f"layers/dense_{index}" for index in range(1, 12))]
    tree: Tree = {key: (f"fc{index}", numbers(3, 3)) for index, key in enumerate(keys)}
    tree = {"layers/zero_first": ("stem", numbers(5, 3), numbers(3)), **tree}
    assert list(shown(write_weights(tmp_path / "m.weights.h5", tree))) == [
        *("stem.kernel", "stem.bias"),
        *(f"fc{index}.kernel" for index in range(12)),
    ]


def test_classes_are_told_by_keys_names_and_shapes(tmp_path: Path) -> None:
    tree = {
        "": ("own", numbers(3)),
        "a_up": ("conv2d_transpose_3", numbers(2, 2, 5, 4), numbers(5)),
        "b_conv": ("x", numbers(3, 3, 4, 5), numbers(5)),
        "c_cell": ("y", numbers(4, 20), numbers(5, 20), numbers(20)),
        "d_tok_emb": ("z", numbers(30, 4)),
        "e_odd": ("w", numbers(2, 3), numbers(7)),
        "f_list/dense": ("fc", numbers(4, 4), numbers(4)),
        "f_list/dense_1": ("fc", numbers(4, 4), numbers(4)),
        "loss_tracker": ("loss", np.array(1.0), np.array(2.0)),
        "g_optimizer": ("adam", np.array(3), np.array(0.1), numbers(4, 4)),
        "h_attention/query_dense": ("query", numbers(4, 2, 3), numbers(2, 3)),
        "h_attention/key_dense": ("key", numbers(4, 2, 3), numbers(2, 3)),
        "h_attention/value_dense": ("value", numbers(4, 2, 3), numbers(2, 3)),
        "h_attention/output_dense": ("out", numbers(2, 3, 4), numbers(4)),
        "h_attention": ("mha",),
    }
    found = shown(write_weights(tmp_path / "m.weights.h5", tree))
    kinds = {name: kind for name, (_, kind) in found.items() if "bias" not in name}
    assert kinds == {
        "0": "other",
        "conv2d_transpose_3.kernel": "conv",
        "x.kernel": "conv",
        "y.kernel": "recurrent",
        "y.recurrent_kernel": "recurrent",
        "z.embeddings": "embedding",
        "w.0": "other",
        "w.1": "other",
        "fc.kernel": "linear",
        "fc_1.kernel": "head",
        **{f"mha.{name}.kernel": "attention" for name in ("query", "key", "value", "out")},
    }
    module = read_checkpoint(tmp_path / "m.weights.h5").mirrored().module
    parameters: dict[str, Any] = dict(module.named_parameters())
    up, query = numbers(2, 2, 5, 4), numbers(4, 2, 3)
    np.testing.assert_array_equal(parameters["conv2d_transpose_3.kernel"].read().numpy(), np.einsum("hwoi->iohw", up))
    np.testing.assert_array_equal(
        parameters["mha.query.kernel"].read().numpy(), np.einsum("chd->hdc", query).reshape(6, 4)
    )


def test_files_of_old_versions_name_no_layers(tmp_path: Path) -> None:
    tree = {
        "layers/dense": ("", KERNEL, BIAS),
        "layers/dense_1": ("", LAST),
        "layers/bidirectional/forward_layer/cell": ("", numbers(4, 20), numbers(5, 20), numbers(20)),
    }
    config = sequential(
        layer("Dense", "fc1"),
        layer("Dense", "fc2", use_bias=False),
        layer("Bidirectional", "both", layer=layer("LSTM", "lstm", units=5)),
    )
    inner = ["kernel", "recurrent_kernel", "bias"]
    assert list(shown(write_keras(tmp_path / "m.keras", config, tree))) == [
        *("fc1.kernel", "fc1.bias", "fc2.kernel"),
        *(f"both.forward_lstm.cell.{name}" for name in inner),
    ]
    assert list(shown(write_weights(tmp_path / "m.weights.h5", tree))) == [
        *("dense.kernel", "dense.bias", "dense_1.kernel"),
        *(f"bidirectional.forward_layer.cell.{name}" for name in inner),
    ]


@pytest.mark.parametrize(
    ("loss", "activation", "expected"),
    [
        ("sparse_categorical_crossentropy", "linear", [("fc2.kernel", False)]),
        ({"class_name": "BinaryCrossentropy", "config": {}}, "linear", [("fc2.kernel", True)]),
        ({"class_name": "function", "config": "mean_squared_error"}, "softmax", []),
        ({"class_name": "__lambda__", "config": {"value": ["4wIA", None, None]}}, "sigmoid", [("fc2.kernel", True)]),
        ({"class_name": "function", "config": "my_loss"}, {"class_name": "function", "config": "softmax"}, None),
        (None, "linear", None),
    ],
)
def test_the_config_tells_what_the_outputs_are(loss: Any, activation: Any, expected: Any, tmp_path: Path) -> None:
    config = sequential(
        layer("Dense", "fc1"),
        layer("Dense", "fc2", use_bias=False, activation=activation),
        compile_config={"loss": loss},
    )
    path = write_keras(tmp_path / "m.keras", config, MLP)
    assert heads(path) == ([("fc2.kernel", False)] if expected is None else expected)


def test_a_lambda_and_a_class_of_ones_own_are_names_alone(tmp_path: Path) -> None:
    code = {"class_name": "__lambda__", "config": {"code": "4wEAAAAAAAAA", "defaults": None, "closure": None}}
    config = sequential(
        layer("Lambda", "code", function=code),
        {"module": "os", "class_name": "system", "registered_name": "os>system", "config": {"name": "fc1"}},
        layer("Dense", "fc2", use_bias=False),
    )
    assert list(shown(write_keras(tmp_path / "m.keras", config, MLP))) == ["fc1.kernel", "fc1.bias", "fc2.kernel"]


def test_types_of_numbers(tmp_path: Path) -> None:
    brain = np.array([[0x3F80, 0x4000], [0xC040, 0x7F80]], np.uint16)
    path = tmp_path / "m.weights.h5"
    with h5py.File(path, "w") as file:
        for index, dtype in enumerate(("<f2", ">f4", "<f8", "<c8", "i1", "?")):
            file[f"layers/x_{index}/vars/0"] = np.arange(6).reshape(2, 3).astype(dtype)
        stored = file.create_dataset("layers/dense/vars/0", data=brain.view("V2"))
        stored.attrs["dtype"] = "bfloat16"
        file["layers/dense_1/vars/0"], file["layers/dense_2/vars/0"] = np.array(2.5), np.zeros((0, 3), "float32")
    checkpoint = read_checkpoint(path)
    found: Any = {name: tensor.read() for name, tensor in checkpoint.tensors.items() if isinstance(tensor, InFile)}
    assert found["dense.kernel"].dtype == torch.bfloat16
    assert found["dense.kernel"].tolist() == [[1.0, 2.0], [-3.0, float("inf")]]
    kinds = [torch.float16, torch.float32, torch.float64, torch.complex64, torch.int8, torch.bool]
    for index, kind in enumerate(kinds):
        name = next(one for one in found if one.startswith(f"x_{index}."))
        assert found[name].dtype == kind and found[name].tolist() == torch.arange(6).reshape(2, 3).to(kind).tolist()
    _, skipped = sites_of(checkpoint)
    assert set(skipped.values()) == {
        f"its dtype is torch.{one}, and only floating point is shown" for one in ("int8", "bool")
    }


def test_a_quantised_layer_shows_no_codes(tmp_path: Path) -> None:
    codes, scale = np.ones((8, 4), "int8"), numbers(4)
    tree = {"layers/dense": ("q", codes, numbers(4), scale)}
    path = write_keras(tmp_path / "m.keras", sequential(layer("Dense", "q", use_bias=True)), tree)
    sites, skipped = sites_of(read_checkpoint(path))
    assert [site.parameter.name for site in sites] == ["q.bias"] and "torch.int8" in skipped["q.kernel"]
    # Without the config, what stands beside the codes may be a bias or their scale.
    path = write_weights(tmp_path / "m.weights.h5", tree)
    assert [sites_of(read_checkpoint(path))[0], list(read_checkpoint(path).tensors)] == [(), ["q.kernel"]]


def test_what_a_class_of_ones_own_has_more_is_shown_by_its_number(tmp_path: Path) -> None:
    own = {**layer("Dense", "fc", use_bias=True), "module": None, "registered_name": "Mine>Dense"}
    tree: Tree = {"layers/dense": ("fc", numbers(8, 4), numbers(4), numbers(4, 3))}
    absent = layer("Dense", "not_built")
    found = shown(write_keras(tmp_path / "m.keras", sequential(own, absent), tree))
    assert list(found) == ["fc.kernel", "fc.bias", "fc.2"]
    float8 = {"class_name": "QuantizedFloat8DTypePolicy", "config": {}}
    tree = {"layers/dense": ("fc", numbers(8, 4), numbers(4), np.array(1.0), numbers(16))}
    found = shown(write_keras(tmp_path / "q.keras", sequential(layer("Dense", "fc", dtype=float8)), tree))
    assert list(found) == ["fc.kernel", "fc.bias"]


def write_blocks(path: Path, count: int) -> Path:
    """A network of `count` layers of 16 MiB each, the weights of a layer all its number."""
    names = [f"fc{index}" for index in range(count)]
    tree = {f"layers/dense_{at}": (name, np.full((1024, 4096), at, "float32")) for at, name in enumerate(names)}
    return write_keras(path, sequential(*(layer("Dense", name, use_bias=False) for name in names)), tree)


def test_one_tensor_at_a_time_is_in_memory(tmp_path: Path) -> None:
    few, many = write_blocks(tmp_path / "few.keras", 4), write_blocks(tmp_path / "many.keras", 24)
    assert peak_of("inspect", many, "--json") - peak_of("inspect", few, "--json") < 4 * 16 * MIB
    checkpoint = read_checkpoint(few)
    sites, _ = sites_of(checkpoint)
    for index, measurement in enumerate(measure_each(checkpoint, sites)):
        assert measurement.statistics["rms"] == pytest.approx(index)
    change = change_of("fc2", checkpoint.tensors["fc2.kernel"], checkpoint.tensors["fc3.kernel"])
    assert change.relative == pytest.approx(1 / 2)


def test_without_h5py_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_keras(tmp_path / "m.keras", CONFIG, MLP)
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"m\.keras: .*h5py: pip install 'lightning-weightviz\[files\]'"):
        visualize_weights(path)
