"""Which sink a logger gets."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning.fabric.loggers.tensorboard as fabric_tensorboard
import lightning.pytorch.loggers
import pytest
import pytorch_lightning.loggers
import tensorboardX
from lightning.pytorch.loggers.logger import DummyLogger
from torch.utils.tensorboard import SummaryWriter

from lightning_weightviz import sinks
from lightning_weightviz.artifacts import Batch
from lightning_weightviz.sinks import FALLBACK, SINKS, register_sink, sink_for
from lightning_weightviz.sinks.dummy import NoSink
from lightning_weightviz.sinks.files import FileSink
from lightning_weightviz.sinks.tensorboard import SummaryWriterSink, TensorBoardLoggerSink
from tests.support.samples import batch


class PrintSink:
    """A third party's."""

    def __init__(self, logger: Any, folder: Path) -> None:
        self.logger = logger
        self.folder = folder

    def write(self, batch: Batch) -> None:
        raise NotImplementedError

    def flush(self) -> None:
        raise NotImplementedError


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leaves what third parties have registered and installed as it was."""
    monkeypatch.setattr(sinks, "_THIRD_PARTY", {})
    sinks._installed.cache_clear()
    yield
    sinks._installed.cache_clear()


def _install(folder: Path, monkeypatch: pytest.MonkeyPatch, entry_point: str) -> None:
    """Makes a distribution with one entry point, as pip would."""
    information = folder / "other-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[lightning_weightviz.sinks]\n{entry_point}\n")
    monkeypatch.syspath_prepend(folder)


def test_every_file_is_discovered() -> None:
    assert {"*", "DummyLogger", "SummaryWriter", "TensorBoardLogger"} <= set(SINKS)


def test_every_file_is_a_sink() -> None:
    modules = [module.name for module in pkgutil.iter_modules(sinks.__path__) if module.name != "support"]
    assert {"files", "tensorboard", "trackio"} <= set(modules)
    for name in modules:
        module = importlib.import_module(f"{sinks.__name__}.{name}")
        public = [found for found in vars(module).values() if getattr(found, "__module__", "") == module.__name__]
        found = [
            one for one in public if callable(getattr(one, "write", None)) and callable(getattr(one, "flush", None))
        ]
        assert found, f"sinks/{name}.py holds no class with write(batch) and flush()"
        for one in found:
            assert [*inspect.signature(one).parameters][1] == "folder", f"{one.__name__} is no factory(logger, folder)"


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda folder: lightning.pytorch.loggers.TensorBoardLogger(folder), TensorBoardLoggerSink),
        (lambda folder: pytorch_lightning.loggers.TensorBoardLogger(folder), TensorBoardLoggerSink),
        (lambda folder: fabric_tensorboard.TensorBoardLogger(folder), TensorBoardLoggerSink),
        (lambda folder: SummaryWriter(folder), SummaryWriterSink),
        (lambda folder: tensorboardX.SummaryWriter(str(folder)), SummaryWriterSink),
        (lambda folder: lightning.pytorch.loggers.CSVLogger(folder), FileSink),
        (lambda folder: DummyLogger(), NoSink),
        (lambda folder: None, FileSink),
    ],
)
def test_logger_gets_its_sink(make: Any, expected: type, tmp_path: Path) -> None:
    assert type(sink_for(make(tmp_path), tmp_path)) is expected


@pytest.mark.parametrize("name", sorted(SINKS.keys() - {FALLBACK}))
def test_loggers_are_known_by_the_names_of_their_classes(name: str, tmp_path: Path) -> None:
    """As one class can be imported from more than one package, and a user's may be one below it."""
    theirs = type(name, (), {})
    for logger in (theirs(), type("Mine", (theirs,), {})()):
        assert type(sink_for(logger, tmp_path)) is SINKS[name]


def test_a_dummy_logger_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sink = sink_for(DummyLogger(), tmp_path)
    sink.write(batch())
    sink.flush()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("registered")
def test_registered_sinks_serve_their_class_and_its_subclasses(tmp_path: Path) -> None:
    class PrintLogger:
        pass

    class Louder(PrintLogger):
        pass

    register_sink("PrintLogger", PrintSink)
    for logger in (PrintLogger(), Louder()):
        found = sink_for(logger, tmp_path)
        assert isinstance(found, PrintSink)
        assert (found.logger, found.folder) == (logger, tmp_path)


@pytest.mark.usefixtures("registered")
def test_registered_sinks_come_before_ours(tmp_path: Path) -> None:
    register_sink("TensorBoardLogger", PrintSink)
    assert isinstance(sink_for(lightning.pytorch.loggers.TensorBoardLogger(tmp_path), tmp_path), PrintSink)


@pytest.mark.usefixtures("registered")
def test_installed_packages_bring_sinks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class OtherLogger:
        pass

    _install(tmp_path, monkeypatch, "OtherLogger = other_sinks:OtherSink")
    (tmp_path / "other_sinks.py").write_text(
        "from tests.sinks.test_registry import PrintSink\nclass OtherSink(PrintSink):\n    pass\n"
    )
    found = sink_for(OtherLogger(), tmp_path)
    assert type(found).__name__ == "OtherSink"
    assert type(sink_for(None, tmp_path)) is FileSink
    register_sink("OtherLogger", PrintSink)
    assert type(sink_for(OtherLogger(), tmp_path)) is PrintSink


@pytest.mark.usefixtures("registered")
def test_a_broken_package_hinders_no_other_logger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class OtherLogger:
        pass

    _install(tmp_path, monkeypatch, "OtherLogger = no_such_module:OtherSink")
    assert type(sink_for(None, tmp_path)) is FileSink
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        sink_for(OtherLogger(), tmp_path)


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize(
    ("name", "factory", "message"),
    [(PrintSink, PrintSink, "class_name"), ("", PrintSink, "class_name"), ("PrintLogger", None, "factory")],
)
def test_wrong_registrations_are_refused(name: Any, factory: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        register_sink(name, factory)
