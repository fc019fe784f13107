"""Files of Keras' that are damaged or made to do harm: refused in one line that names the file and the reason."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightning_weightviz import visualize_weights
from lightning_weightviz.command.inspection import measure_each, sites_of
from lightning_weightviz.model.files import read_checkpoint
from tests.model.test_keras_files import (
    BIAS,
    CONFIG,
    KERNEL,
    LAST,
    MLP,
    layer,
    sequential,
    write_keras,
    write_weights,
)
from tests.support.memory import MIB, resident

h5py = pytest.importorskip("h5py", reason="h5py is not installed")


def edit(change: Callable[[Any, Path], None]) -> Callable[[Path], None]:
    """Writes a sound file of weights, and changes it."""

    def write(path: Path) -> None:
        write_weights(path, MLP)
        with h5py.File(path, "a") as file:
            change(file, path.parent)

    write.__name__ = change.__name__
    return write


def external_link(file: Any, folder: Path) -> None:
    write_weights(folder / "other.h5", MLP)
    del file["layers/dense"]
    file["layers/dense"] = h5py.ExternalLink("other.h5", "/layers/dense")


def link_of_variables(file: Any, folder: Path) -> None:
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = h5py.SoftLink("/layers/dense_1/vars/0")


def values_elsewhere(file: Any, folder: Path) -> None:
    (folder / "secret").write_bytes(bytes(64))
    del file["layers/dense/vars/0"]
    file.create_dataset("layers/dense/vars/0", (4, 4), "float32", external=[(str(folder / "secret"), 0, 64)])


def virtual(file: Any, folder: Path) -> None:
    del file["layers/dense/vars/0"]
    layout = h5py.VirtualLayout((784, 16), "float32")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "layers/dense/vars/0", (784, 16))
    file.create_virtual_dataset("layers/dense/vars/0", layout)


def circle(file: Any, folder: Path) -> None:
    file["layers/dense/again"] = file["layers"]


def bomb(file: Any, folder: Path) -> None:
    del file["layers/dense/vars/0"]
    file.create_dataset("layers/dense/vars/0", (1 << 20, 1 << 20), "float32", chunks=(1024, 1024), compression="gzip")


def strange_type(file: Any, folder: Path) -> None:
    del file["layers/dense/vars/0"]
    file["layers/dense/vars/0"] = np.zeros((4, 4), "V3")


def keras_2(file: Any, folder: Path) -> None:
    file.attrs["layer_names"] = ["dense"]


def keras_2_model(file: Any, folder: Path) -> None:
    file["model_weights/dense/kernel:0"] = KERNEL


def no_weights(file: Any, folder: Path) -> None:
    del file["layers"]


def other_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["temperatures"] = np.zeros(5)


def truncated(path: Path) -> None:
    write_weights(path, MLP)
    path.write_bytes(path.read_bytes()[:-20_000])


def text(path: Path) -> None:
    path.write_text("no weights here\n" * 20)


def zipped(members: Mapping[str, bytes]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            for name, content in members.items():
                file.writestr(name, content)

    write.__name__ = "+".join(members) or "empty"
    return write


def truncated_zip(path: Path) -> None:
    write_keras(path, CONFIG, MLP)
    path.write_bytes(path.read_bytes()[:-100])


def truncated_weights(path: Path) -> None:
    truncated(path.with_suffix(".h5"))
    with zipfile.ZipFile(path, "w") as file:
        file.write(path.with_suffix(".h5"), "model.weights.h5")


def inflated(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("model.weights.h5", "w") as member:
        for _ in range(80):
            member.write(bytes(MIB))


def config(given: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        write_keras(path, given, MLP)

    write.__name__ = f"config_{str(given)[:12]}"
    return write


UNKNOWN_SOURCE = {
    "class_name": "Functional",
    "config": {"layers": [{**layer("Dense", "fc1"), "name": "fc1"}], "output_layers": [["nowhere", 0, 0]]},
}
H5, KERAS = "m.weights.h5", "m.keras"
HOSTILE: list[tuple[str, Callable[[Path], None], str]] = [
    (H5, edit(external_link), "/layers/dense is a link, which is not followed"),
    (H5, edit(link_of_variables), "/layers/dense/vars/0 is a link"),
    (H5, edit(values_elsewhere), "/layers/dense/vars/0 has its values in other files"),
    (H5, edit(virtual), "/layers/dense/vars/0 has its values in other files"),
    (H5, edit(circle), "is there more than once"),
    (H5, edit(bomb), r"claims \d+ bytes"),
    (H5, edit(strange_type), "numbers of the type |V3"),
    (H5, edit(keras_2), "layout of Keras 2"),
    (H5, edit(keras_2_model), "layout of Keras 2"),
    (H5, edit(no_weights), "it holds no weights"),
    (H5, other_hdf5, "it holds no weights"),
    (H5, truncated, r"damaged, or holds no HDF5 that can be read \(.*truncated"),
    (H5, text, "damaged, or holds no HDF5"),
    ("m.h5", edit(keras_2_model), r"must end in one of .*\.keras, \.weights\.h5"),
    (KERAS, text, "no file of Keras 3"),
    (KERAS, truncated_zip, "no file of Keras 3"),
    (KERAS, truncated_weights, "damaged, or holds no HDF5"),
    (KERAS, zipped({}), "no model.weights.h5"),
    (KERAS, zipped({"model.weights.npz": b"x"}), "no model.weights.h5 in it.*there is model.weights.npz"),
    (KERAS, zipped({"model.weights.h5": b"x" * 999}), "damaged, or holds no HDF5"),
    (KERAS, inflated, "claims 83886080 bytes"),
    (KERAS, config("{"), "config.json is damaged: it is no JSON"),
    (KERAS, config("[" * 100_000), "config.json is damaged: it is no JSON"),
    (KERAS, config([1]), "config.json is damaged: it describes no model"),
    (KERAS, config(UNKNOWN_SOURCE), "config.json is damaged: KeyError: 'nowhere'"),
]


@pytest.mark.parametrize(("name", "write", "reason"), HOSTILE, ids=[f"{one[0]}-{one[1].__name__}" for one in HOSTILE])
def test_what_cannot_be_trusted_is_refused_in_one_line(
    name: str, write: Callable[[Path], None], reason: str, tmp_path: Path
) -> None:
    write(path := tmp_path / name)
    before = resident()
    with pytest.raises(ValueError, match=reason) as raised:
        visualize_weights(path)
    assert str(path) in str(raised.value) and "\n" not in str(raised.value)
    assert resident() - before < 64 * MIB


def broken_configs() -> Iterator[Any]:
    yield from ({}, {"config": 3}, {"config": {"layers": 3}}, {"config": {"layers": [3, None, {}]}})
    yield from (sequential(layer("Dense", "")), sequential({"class_name": ["Dense"]}, {"class_name": "a\0b"}))
    yield sequential(layer("Dense", "fc1", activation=[1], groups="x", trainable=[]))
    yield sequential(*CONFIG["config"]["layers"], compile_config={"loss": [{"class_name": 3}, 4]})
    yield {**CONFIG, "config": {**CONFIG["config"], "build_input_shape": ["a", {}]}}
    yield sequential(layer("EinsumDense", "fc1", equation="->->,,"), layer("StackedRNNCells", "fc2", cells=[1, {}]))


@pytest.mark.parametrize("given", list(broken_configs()), ids=lambda given: json.dumps(given)[-30:])
def test_a_strange_config_costs_names_or_is_refused(given: Any, tmp_path: Path) -> None:
    path = write_keras(tmp_path / "m.keras", given, MLP)
    try:
        found = read_checkpoint(path)
    except ValueError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    else:
        assert sum(tensor.numel() for tensor in found.tensors.values()) == KERNEL.size + BIAS.size + LAST.size
        visualize_weights(path)


def test_what_is_damaged_is_told_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("layers/dense/vars/0", data=KERNEL, chunks=(98, 16), compression="gzip", fletcher32=True)
        offset = file["layers/dense/vars/0"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[offset + 20 : offset + 60] = bytes(40)
    path.write_bytes(content)
    checkpoint = read_checkpoint(path)
    with pytest.raises(ValueError, match=r"m\.weights\.h5: it is damaged"):
        list(measure_each(checkpoint, sites_of(checkpoint)[0]))
    os.truncate(write_weights(path, MLP), 3000)
    with pytest.raises(ValueError, match=r"m\.weights\.h5: it is damaged"):
        list(measure_each(checkpoint, sites_of(checkpoint)[0]))
    write_weights(path, {"layers/dense": ("", LAST)})
    with pytest.raises(ValueError, match=r"m\.weights\.h5: it was changed while it was read"):
        list(measure_each(checkpoint, sites_of(checkpoint)[0]))
