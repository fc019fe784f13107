"""Lightning's platform, as far as a LitLogger asks it over the network: all else of litlogger is real."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from tests.sinks.loggers.book import Book, Plain
from tests.support.samples import decode


@dataclass
class Platform:
    """What arrived.

    Attributes:
        media: Name, step and content of each.
        files: Content by path.
        metrics: Value by name and step.
    """

    media: list[tuple[str, int | None, bytes]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    metrics: dict[tuple[str, int], float] = field(default_factory=dict)

    def upload_media(self, *, file_path: str, name: str, step: int | None = None, **_: Any) -> Any:
        """As ``MediaApi``."""
        self.media.append((name, step, Path(file_path).read_bytes()))

    def upload_experiment_file_artifact(self, *, file_path: str, remote_path: str, **_: Any) -> Any:
        """As ``ArtifactsApi``."""
        self.files[remote_path] = Path(file_path).read_bytes()

    def append_experiment_metrics(self, *, metrics: list[Any], **_: Any) -> None:
        """As ``MetricsApi``."""
        for series in metrics:
            self.metrics.update({(series.name, value.step): value.value for value in series.values})


@contextmanager
def offline(platform: Platform) -> Iterator[None]:
    """Puts the platform in the place of what asks the network."""
    store = SimpleNamespace(id="store", name="weightviz", cluster_id=None, tags=[], artifacts=[])
    metrics_api = mock.MagicMock()
    metrics_api.get_or_create_experiment_metrics.return_value = (store, True)
    metrics_api.get_experiment_metrics_by_name.return_value = store
    metrics_api.get_last_steps.return_value = {}
    metrics_api.append_experiment_metrics.side_effect = platform.append_experiment_metrics
    artifacts_api = mock.MagicMock()
    artifacts_api.upload_experiment_file_artifact.side_effect = platform.upload_experiment_file_artifact
    media_api = mock.MagicMock()
    media_api.upload_media.side_effect = platform.upload_media
    teamspace = mock.MagicMock()
    teamspace.list_models.return_value = []
    with (
        mock.patch.multiple(
            "litlogger.experiment",
            AuthApi=mock.MagicMock(),
            MetricsApi=lambda *_, **__: metrics_api,
            MediaApi=lambda *_, **__: media_api,
            ArtifactsApi=lambda *_, **__: artifacts_api,
            _resolve_teamspace=lambda *_: teamspace,
            build_experiment_url=lambda **_: "https://example.org",
            get_accessible_url=lambda **_: "https://example.org",
            signal=mock.MagicMock(),
            atexit=mock.MagicMock(),
        ),
        mock.patch.multiple(
            "litlogger.media", ArtifactsApi=lambda *_, **__: artifacts_api, LitRestClient=mock.MagicMock()
        ),
    ):
        yield


class Lit(Plain):
    """LitLogger and litlogger's Experiment, both real, before a platform that remembers what arrives."""

    name = "LitLogger"

    def __init__(self) -> None:
        self._open: dict[int, tuple[ExitStack, Platform]] = {}

    def make(self, folder: Path, prefix: str = "") -> Any:
        pytest.importorskip("litlogger", reason="litlogger is not installed: make test-loggers")
        from lightning.pytorch.loggers.litlogger import LitLogger

        logger, stack, platform = LitLogger(root_dir=folder, name="weightviz", save_logs=False), ExitStack(), Platform()
        logger._prefix = prefix
        stack.enter_context(offline(platform))
        self._open[id(logger)] = stack, platform
        return logger

    def finish(self, logger: Any) -> None:
        logger.finalize("success")
        self._open[id(logger)][0].close()

    def read(self, logger: Any, folder: Path) -> Book:
        book, platform = Book(), self._open[id(logger)][1]
        for name, step, content in platform.media:
            assert step is not None
            if content.startswith(b"GIF"):
                book.animations[name, step] = content
            else:
                book.images[name, step] = decode(content)
        text = platform.files.pop("weightviz/findings.md", None)
        book.text = None if text is None else text.decode()
        book.page = platform.files.pop("weightviz/report.html", None)
        for path, content in platform.files.items():
            record = json.loads(content)
            assert path == f"weightviz/histograms/step_{record['step']:08d}.json"
            for tag, histogram in record["histograms"].items():
                book.histograms[self.key(tag), record["step"]] = (histogram["edges"], histogram["counts"])
        book.scalars.update(platform.metrics)
        return book
