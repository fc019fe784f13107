"""Imports point one way, and heavy or optional packages stay out: read from the sources, and seen at run time."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "lightning_weightviz"
ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / PACKAGE).rglob("*.py"))

LIGHTNING = {"lightning", "pytorch_lightning", "lightning_fabric"}
OPTIONAL_LOGGERS = {
    "aim",
    "comet_ml",
    "dvclive",
    "litlogger",
    "mlflow",
    "neptune",
    "swanlab",
    "tensorboardX",
    "trackio",
    "wandb",
}
# Which packages a room may never import, at its top or inside a function.
FORBIDDEN = {
    "views": {"torch", *LIGHTNING},
    "page": {"matplotlib", "PIL", "torch", *LIGHTNING},
    "draw": {"torch", *LIGHTNING},
    "snapshot": {"torch", *LIGHTNING},
    "memory": {"torch", *LIGHTNING},
    "artifacts": {"torch", *LIGHTNING},
    "findings": {"torch", *LIGHTNING},
    "png": {"matplotlib", "PIL", "torch", *LIGHTNING},
    "sinks": {"torch", *LIGHTNING},
    "measure": {"matplotlib", "PIL", *LIGHTNING},
    "model": {"matplotlib", "PIL", *LIGHTNING},
    "run": {"matplotlib", "PIL", *LIGHTNING},
    "command": {"matplotlib", "PIL", *LIGHTNING},
}
HOSTS = {"keras", "transformers"}
DOORS = {
    "callback",
    "host",
    "host_arguments",
    "training",
    "environment",
    "visualizer",
    "pictures",
    "figure",
    "report",
    "settings",
    "__main__",
}
STARTS = {"keras_training", "trainer_training"}
DOORS |= HOSTS | STARTS
# Which other rooms a room may import; the doors may import all.
ALLOWED = {
    "artifacts": {"png"},
    "png": set[str](),
    "registry": set[str](),
    "snapshot": set[str](),
    "run": set[str](),
    "memory": {"snapshot"},
    "draw": {"artifacts"},
    "views": {"draw", "snapshot", "memory", "artifacts", "registry", "run"},
    "page": {"findings", "memory", "registry", "run", "snapshot", "views", "artifacts"},
    # Draws histograms for loggers that have none.
    "sinks": {"artifacts", "draw", "registry", "run"},
    "measure": {"snapshot", "registry", "run"},
    "model": {"snapshot", "measure", "run"},
    "findings": {"snapshot", "memory", "artifacts", "registry"},
    "command": {
        "artifacts",
        "draw",
        "findings",
        "measure",
        "memory",
        "model",
        "page",
        "settings",
        "sinks",
        "snapshot",
        "views",
        "visualizer",
    },
    "settings": {"findings", "measure", "memory", "model", "snapshot", "views"},
}
# Who may import the two at the top; `__init__` gives them their public names.
IMPORTERS = {
    "callback": {"__init__", "environment"},
    "keras": set[str](),
    "transformers": set[str](),
    "host": HOSTS,
    "host_arguments": {"host", *HOSTS, *STARTS},
    "keras_training": {"keras"},
    "trainer_training": {"transformers"},
    "training": {"callback", "host", *STARTS},
    "report": {"callback", "figure", "host", "pictures", "visualizer"},
    "visualizer": {"callback", "command", "training", *STARTS, "environment", "figure", "__init__"},
}


@dataclass(frozen=True)
class Import:
    """One imported name: ``torch.nn`` of ``from torch import nn``."""

    name: str
    line: int
    at_top: bool

    @property
    def package(self) -> str:
        return self.name.partition(".")[0]


def imports_of(source: str, module: str) -> Iterator[Import]:
    """Every import of a module's source; what is inside a function is not `at_top`."""

    def visit(node: ast.AST, at_top: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, at_top)
        elif isinstance(node, ast.ImportFrom):
            # One dot is the folder that the module lies in; each further one is a folder above.
            folder = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*folder, *([node.module] if node.module else [])])
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", node.lineno, at_top)
        inside = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        for child in ast.iter_child_nodes(node):
            yield from visit(child, at_top and not inside)

    return visit(ast.parse(source), True)


def room_of(path: Path) -> str:
    """The folder or the file right below the package."""
    return path.relative_to(ROOT / PACKAGE).with_suffix("").parts[0]


def read(path: Path) -> list[Import]:
    """The imports of a file of the package."""
    # `__init__` stays in the name, so that one dot is the folder there too.
    return list(imports_of(path.read_text(), ".".join(path.relative_to(ROOT).with_suffix("").parts)))


ROOMS = {room_of(path) for path in FILES}


def rooms_imported(path: Path) -> set[str]:
    """The other rooms that a file imports."""
    parts = [found.name.split(".") for found in read(path) if found.package == PACKAGE]
    # A public name, imported from the package itself, is of no room.
    return {part[1] if part[1] in ROOMS else "__init__" for part in parts} - {room_of(path)}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import torch.nn", ["torch.nn"]),
        ("from torch import nn, optim", ["torch.nn", "torch.optim"]),
        ("def f():\n    import wandb", ["wandb"]),
        ("if x:\n    try:\n        import wandb\n    except ImportError:\n        pass", ["wandb"]),
        ("from . import pooling", ["lightning_weightviz.measure.pooling"]),
        ("from ..draw.page import Page", ["lightning_weightviz.draw.page.Page"]),
    ],
)
def test_reader_finds_imports(source: str, expected: list[str]) -> None:
    assert [found.name for found in imports_of(source, f"{PACKAGE}.measure.rows")] == expected


def test_reader_tells_top_from_function() -> None:
    source = "import a\nclass C:\n    import b\n    def f(self):\n        import c\n"
    assert [(found.name, found.at_top) for found in imports_of(source, "m")] == [("a", True), ("b", True), ("c", False)]


def test_every_room_has_a_rule() -> None:
    assert ALLOWED.keys() | DOORS | {"__init__"} == ROOMS
    assert FORBIDDEN.keys() | IMPORTERS.keys() <= ROOMS


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_room_imports_what_it_may(path: Path) -> None:
    room = room_of(path)
    for found in read(path):
        where = f"{relative(path)}:{found.line} imports {found.name}"
        assert found.package not in FORBIDDEN.get(room, ()), where
        assert found.package != "torchvision", f"{where}: a broken torchvision must not break the package"
        assert not found.name.startswith(("matplotlib.pyplot", "pylab")), f"{where}: pyplot is global state"
        assert found.name != "matplotlib.use", f"{where}: the backend is the user's"
        assert found.package not in HOSTS or found.package == room, f"{where}: only its own callback may"
        if found.package in OPTIONAL_LOGGERS:
            assert room == "sinks" and not found.at_top, f"{where}: only a sink may, inside a function"
    rooms = rooms_imported(path)
    assert rooms <= ALLOWED.get(room, ROOMS | {"__init__"}), f"{relative(path)} imports {sorted(rooms)}"
    for above, importers in IMPORTERS.items():
        assert above not in rooms or room in importers, f"{relative(path)} imports {above}"


@pytest.mark.parametrize(("side", "other"), [("host", "device"), ("device", "host")])
def test_host_and_device_meet_in_neither(side: str, other: str) -> None:
    """What each side needs of the other is in the files above both: followed through all that it imports of them."""
    folder = ROOT / PACKAGE / "measure"
    modules = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in folder.rglob("*.py")}
    reached = {name for name in modules if name.startswith(f"{PACKAGE}.measure.{side}.")}
    waiting = list(reached)
    while waiting:
        path = modules[waiting.pop()]
        found = {name for one in read(path) for name in (one.name, one.name.rpartition(".")[0])} & modules.keys()
        assert not any(name.startswith(f"{PACKAGE}.measure.{other}") for name in found), f"{relative(path)}: {found}"
        waiting += found - reached
        reached |= found
    assert f"{PACKAGE}.measure.transfer" in reached


@pytest.mark.parametrize("path", sorted((ROOT / PACKAGE / "measure/host").glob("*.py")), ids=relative)
def test_what_becomes_of_numbers_on_the_host_needs_no_torch(path: Path) -> None:
    assert "torch" not in {found.package for found in read(path)}


def test_only_kernels_know_triton() -> None:
    kernels = ROOT / PACKAGE / "measure" / "device" / "fused" / "kernels"
    knowing = {path for path in FILES if any(found.package == "triton" for found in read(path))}
    assert knowing
    assert {path.parent for path in knowing} == {kernels}


def test_rooms_form_no_circle() -> None:
    graph: dict[str, set[str]] = {}
    for path in FILES:
        graph.setdefault(room_of(path), set()).update(rooms_imported(path))
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("snapshot") < order.index("visualizer") < order.index("callback")


# Imports every module of the package where torchvision fails as it does beside a wrong torch, and prints which of the
# watched packages were asked for. Lightning comes first: what it asks for (torchvision too) is no concern of ours.
IMPORT_ALL = """
import importlib, json, pkgutil, sys
import lightning.pytorch

watched = set(json.loads(sys.argv[1]))
asked = set()

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in watched:
            asked.add(name)
        if name == "torchvision":
            raise RuntimeError("operator torchvision::nms does not exist")

for name in watched & sys.modules.keys():
    del sys.modules[name]
sys.meta_path.insert(0, Watch())
import lightning_weightviz

for module in pkgutil.walk_packages(lightning_weightviz.__path__, "lightning_weightviz."):
    # Those for a host ask for it, as its users have it.
    if not module.name.endswith(("__main__", ".keras", ".transformers")):
        importlib.import_module(module.name)
%s
print(json.dumps(sorted(asked)))
"""


def asked_for(watched: set[str], extra: str = "") -> list[str]:
    """Which of the watched modules the package asks for in a fresh Python."""
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL % extra, json.dumps(sorted(watched))],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    asked: list[str] = json.loads(done.stdout.splitlines()[-1])
    return asked


def test_keras_is_the_users_and_lightning_comes_with_the_callback_alone() -> None:
    """Triton, which Lightning imports, can end a process that has imported TensorFlow."""
    code = (
        "import sys, lightning_weightviz as lw\n"
        "watched = {'lightning', 'pytorch_lightning', 'keras', 'triton', 'torchvision'}\n"
        "assert not watched & sys.modules.keys(), watched & sys.modules.keys()\n"
        "assert set(lw.__all__) <= set(dir(lw)) and lw.WeightVisualizationCallback.__name__ in lw.__all__"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_import_asks_for_no_optional_package_and_bears_a_broken_torchvision() -> None:
    assert asked_for({*OPTIONAL_LOGGERS, "torchvision", "matplotlib.pyplot"}) == []


def test_watch_sees_what_is_asked_for() -> None:
    extra = "try:\n    import wandb\nexcept ImportError:\n    pass\nimport matplotlib.pyplot"
    assert asked_for({"wandb", "matplotlib.pyplot"}, extra) == ["matplotlib.pyplot", "wandb"]


NEWER_THAN_3_10 = {"LiteralString", "Never", "NotRequired", "ReadOnly", "Required", "Self", "TypeIs", "TypeVarTuple"}
NEWER_THAN_3_10 |= {"Unpack", "assert_never", "assert_type", "dataclass_transform", "override", "reveal_type"}


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_what_typing_has_only_since_python_3_11_is_not_imported(path: Path) -> None:
    assert not {found.name for found in read(path)} & {f"typing.{name}" for name in NEWER_THAN_3_10}
