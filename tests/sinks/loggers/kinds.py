"""Each logger offline: made, ended and read back; its package is imported when it is made."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sqlite3
import struct
import sys
import time
import zipfile
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, takewhile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as PillowImage

from lightning_weightviz.artifacts import Histogram
from lightning_weightviz.sinks.support.names import tag_path, tracker_key
from tests.sinks.loggers.book import Book, Kind, Plain
from tests.sinks.loggers.lightning_platform import Lit
from tests.support.samples import decode, read_events


def need(package: str) -> Any:
    """The package, or the test is skipped, with the reason."""
    return pytest.importorskip(package, reason=f"{package} is not installed: make test-loggers")


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _bytes(file: Path) -> bytes | None:
    return file.read_bytes() if file.is_file() else None


def _text(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _edges_and_counts(record: dict[str, Any]) -> tuple[list[float], list[int]]:
    return record["edges"], record["counts"]


class TensorBoard(Plain):
    """Lightning's, over ``tensorboard``."""

    name = "TensorBoardLogger"

    def make(self, folder: Path, prefix: str = "") -> Any:
        from lightning.pytorch.loggers import TensorBoardLogger

        return TensorBoardLogger(folder, name="", version="tensorboard", prefix=prefix)

    def read(self, logger: Any, folder: Path) -> Book:
        book, events = Book(), read_events(folder / "tensorboard")
        tags = events.Tags()
        for tag in tags["images"]:
            for event in events.Images(tag):
                content = event.encoded_image_string
                if content.startswith(b"GIF"):
                    book.animations[tag, event.step] = content
                else:
                    book.images[tag, event.step] = decode(content)
        for tag in tags["histograms"]:
            for event in events.Histograms(tag):
                value = event.histogram_value
                book.histograms[tag, event.step] = (list(value.bucket_limit), [round(count) for count in value.bucket])
        for tag in tags["scalars"]:
            book.scalars.update({(tag, event.step): event.value for event in events.Scalars(tag)})
        for tag in tags["tensors"]:
            book.text = events.Tensors(tag)[-1].tensor_proto.string_val[0].decode()
        return book

    def key(self, tag: str) -> str:
        return tag.encode("utf-8", "backslashreplace").decode()

    def number(self, value: float) -> float:
        """Kept as float32."""
        return float(np.float32(value))

    def counts(self, histogram: Histogram) -> Any:
        filled = np.flatnonzero(histogram.counts)
        kept = slice(filled[0], filled[-1] + 1)
        return histogram.edges[1:][kept].tolist(), histogram.counts[kept].tolist()


class Csv(Plain):
    """Lightning's, with files beside it."""

    name = "CSVLogger"

    def make(self, folder: Path, prefix: str = "") -> Any:
        from lightning.pytorch.loggers import CSVLogger

        return CSVLogger(folder, name="", version="csv", prefix=prefix)

    def read(self, logger: Any, folder: Path) -> Book:
        book, root = Book(), folder / "csv" / "weightviz"
        for line in _lines(root / "manifest.jsonl"):
            file, place = root / line["file"], (line["tag"], line["step"])
            if line["kind"] == "text":
                book.text = file.read_text(encoding="utf-8")
                continue
            if line["kind"] == "histogram":
                [record] = [record for record in _lines(file) if record["step"] == line["step"]]
                book.histograms[place] = _edges_and_counts(record)
                file = file.with_name(f"step_{line['step']:08d}.png")
            if line["kind"] == "animation":
                book.animations[place] = file.read_bytes()
            elif file.exists():
                book.images[place] = decode(file.read_bytes())
        with (folder / "csv" / "metrics.csv").open(newline="", encoding="utf-8") as rows:
            for row in csv.DictReader(rows):
                step = int(row.pop("step"))
                book.scalars.update({(key, step): float(value) for key, value in row.items() if value})
        return book

    def key(self, tag: str) -> str:
        return tag


class Wandb(Plain):
    """Weights & Biases, offline."""

    name = "WandbLogger"

    def make(self, folder: Path, prefix: str = "") -> Any:
        need("wandb")
        from lightning.pytorch.loggers import WandbLogger

        os.environ["WANDB_SILENT"] = "true"
        return WandbLogger(project="weightviz", save_dir=folder, offline=True, prefix=prefix)

    def finish(self, logger: Any) -> None:
        import wandb

        logger.finalize("success")
        wandb.finish()

    def rows(self, folder: Path) -> list[dict[str, Any]]:
        """The run's history, one row a call of its ``log``."""
        rows: list[dict[str, Any]] = []
        for record in self.records(folder):
            if record.WhichOneof("record_type") == "history":
                rows.append({})
                for item in record.history.item:
                    # A picture's fields come one by one, the key of the picture in front of theirs.
                    key, *names = [item.key] if item.key else item.nested_key
                    place = rows[-1].setdefault(key, {}) if names else rows[-1]
                    place[names[0] if names else key] = json.loads(item.value_json)
        return rows

    def records(self, folder: Path) -> list[Any]:
        """All of the run's records: W&B's own process may still write the last of them when ``finish`` returns."""
        from wandb.proto.wandb_internal_pb2 import Record

        [file] = folder.glob("wandb/offline-run-*/*.wandb")
        deadline = time.monotonic() + 30
        while True:
            records = [Record.FromString(content) for content in _leveldb_records(file.read_bytes())]
            if any(record.WhichOneof("record_type") == "exit" for record in records):
                return records
            assert time.monotonic() < deadline, "W&B does not end its file"
            time.sleep(0.05)

    def read(self, logger: Any, folder: Path) -> Book:
        book = Book()
        [files] = folder.glob("wandb/offline-run-*/files")
        for record in self.records(folder):
            if record.WhichOneof("record_type") == "summary":
                for item in record.summary.update:
                    if item.key == "findings/weights" or list(item.nested_key) == ["findings/weights"]:
                        book.text = json.loads(item.value_json)
        for row in self.rows(folder):
            if "trainer/global_step" not in row:
                continue
            step = row["trainer/global_step"]
            for key, value in row.items():
                match value:
                    case {"_type": "image-file"}:
                        book.images[key, step] = decode((files / value["path"]).read_bytes())
                    case {"_type": "video-file"}:
                        book.animations[key, step] = (files / value["path"]).read_bytes()
                    case {"_type": "html-file"}:
                        assert key.endswith("report/weights")
                        book.page = (files / value["path"]).read_bytes()
                    case {"_type": "histogram"}:
                        book.histograms[key, step] = (value["bins"], value["values"])
                    case float() | int():
                        book.scalars[key, step] = value
        return book


def _leveldb_records(content: bytes) -> Iterator[bytes]:
    """Records of a LevelDB log behind W&B's 7 bytes: blocks of 32 KiB, pieces with checksum, length and type."""
    position, record = 7, b""
    while position + 7 <= len(content):
        left = -position % 32768
        if 0 < left < 7:
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, position)
        if position + 7 + length > len(content):
            return
        record += content[position + 7 : position + 7 + length]
        position += 7 + length
        # 1: whole, 2: first, 3: middle, 4: last.
        if kind in (1, 4):
            yield record
            record = b""


class MLFlow(Plain):
    """MLflow over SQLite."""

    name = "MLFlowLogger"

    def make(self, folder: Path, prefix: str = "") -> Any:
        need("mlflow")
        from lightning.pytorch.loggers import MLFlowLogger

        return MLFlowLogger(
            "weightviz",
            tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
            artifact_location=str(folder / "artifacts"),
            prefix=prefix,
        )

    def read(self, logger: Any, folder: Path) -> Book:
        from mlflow import MlflowClient

        book, client = Book(), MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
        [experiment] = [found for found in client.search_experiments() if found.name == "weightviz"]
        [run] = client.search_runs([experiment.experiment_id])
        for key in run.data.metrics:
            history = client.get_metric_history(run.info.run_id, key)
            book.scalars.update({(key, metric.step): metric.value for metric in history})
        root = Path(client.download_artifacts(run.info.run_id, ""))
        book.text = _text(root / "weightviz" / "findings.md")
        book.page = _bytes(root / "weightviz" / "report.html")
        for file in (root / "images").glob("*.png"):
            key, _, step, *_ = file.name.split("+")
            book.images[key.replace("~", "/"), int(step)] = decode(file.read_bytes())
        for file in (root / "weightviz" / "histograms").glob("*.json"):
            record = json.loads(file.read_text())
            for tag, histogram in record["histograms"].items():
                book.histograms[self.key(tag), record["step"]] = _edges_and_counts(histogram)
        for file in (root / "weightviz").rglob("*.gif"):
            tag = file.parent.relative_to(root / "weightviz").as_posix()
            book.animations[tag, int(file.stem.removeprefix("step_"))] = file.read_bytes()
        return book

    def key(self, tag: str) -> str:
        # Animations are files.
        return str(tag_path(tag)) if ".animation/" in tag else tracker_key(tag, ascii_only=True)


class SwanLab(Plain):
    """SwanLab, for its local board."""

    name = "SwanLabLogger"

    def make(self, folder: Path, prefix: str = "") -> Any:
        need("swanlab")
        need("swanboard")
        from swanlab.integration.pytorch_lightning import SwanLabLogger

        return SwanLabLogger(project="weightviz", mode="local", log_dir=str(folder / "swanlab"))

    def finish(self, logger: Any) -> None:
        import swanlab

        logger.finalize("success")
        swanlab.finish()

    def read(self, logger: Any, folder: Path) -> Book:
        book = Book()
        [run] = (folder / "swanlab").glob("run-*")
        base = sqlite3.connect(folder / "swanlab" / "runs.swanlab")
        try:
            tags = base.execute("select name, folder, type from tag where system = 0").fetchall()
        finally:
            base.close()
        for key, number, kind in tags:
            for line in (line for file in (run / "logs" / number).glob("*.log") for line in _lines(file)):
                place = key, line["index"]
                if kind == "line":
                    book.scalars[place] = line["data"]
                    continue
                [name] = line["data"]
                if key == "findings/weights":
                    book.text = name
                    continue
                content = (run / "media" / number / name).read_bytes()
                if name.endswith(".gif"):
                    book.animations[place] = content
                else:
                    book.images[place] = decode(content)
        # The board's table of keys leaves charts and pages out.
        for page in sorted((run / "media" / "html").glob("*.html"), key=lambda file: int(file.name.partition("-")[0])):
            book.page = page.read_bytes()
        for file in (run / "media" / "echarts").glob("*.json"):
            chart = json.loads(file.read_text(encoding="utf-8"))
            record = chart["weightviz"]
            assert chart["series"][0]["data"] == record["counts"]
            assert len(chart["xAxis"][0]["data"]) == len(record["counts"])
            book.histograms[self.key(record["tag"]), int(file.name.partition("-")[0])] = _edges_and_counts(record)
        return book


class DvcLive(Plain):
    """DVCLive, plain files."""

    name = "DVCLiveLogger"

    def make(self, folder: Path, prefix: str = "") -> Any:
        need("dvclive")
        from dvclive.lightning import DVCLiveLogger

        return DVCLiveLogger(
            prefix=prefix,
            dir=str(folder / "dvclive"),
            report=None,
            save_dvc_exp=False,
            dvcyaml=str(folder / "dvc.yaml"),
        )

    def read(self, logger: Any, folder: Path) -> Book:
        book, live = Book(), folder / "dvclive"
        for file in (live / "plots" / "images").rglob("*.*"):
            if file.is_file():
                place = file.parent.relative_to(live / "plots" / "images").as_posix(), int(file.stem)
                if file.suffix == ".gif":
                    book.animations[place] = file.read_bytes()
                else:
                    book.images[place] = decode(file.read_bytes())
        book.text = _text(live / "weightviz" / "findings.md")
        book.page = _bytes(live / "weightviz" / "report.html")
        for file in (live / "weightviz").rglob("histogram.jsonl"):
            tag = file.parent.relative_to(live / "weightviz").as_posix()
            book.histograms.update({(tag, record["step"]): _edges_and_counts(record) for record in _lines(file)})
        for file in (live / "plots" / "metrics").rglob("*.tsv"):
            tag = file.relative_to(live / "plots" / "metrics").as_posix().removesuffix(".tsv")
            with file.open(newline="", encoding="utf-8") as rows:
                for row in csv.DictReader(rows, delimiter="\t"):
                    step = int(row.pop("step"))
                    book.scalars[tag, step] = float(*row.values())
        return book

    def key(self, tag: str) -> str:
        return str(tag_path(tag))


class Comet(Plain):
    """Comet's offline archive."""

    name = "CometLogger"

    def make(self, folder: Path, prefix: str = "") -> Any:
        comet_ml = need("comet_ml")
        from lightning.pytorch.loggers import CometLogger

        # online=False makes Lightning's a logger that logs nothing.
        logger = CometLogger(online=False, project="weightviz", prefix=prefix or None)
        logger._experiment = comet_ml.OfflineExperiment(
            offline_directory=str(folder / "comet"),
            project_name="weightviz",
            log_env_details=False,
            log_code=False,
            log_graph=False,
            parse_args=False,
            display_summary_level=0,
            disabled=False,
        )
        return logger

    def finish(self, logger: Any) -> None:
        logger.finalize("success")
        logger.experiment.end()

    def read(self, logger: Any, folder: Path) -> Book:
        book = Book()
        [file] = (folder / "comet").glob("*.zip")
        with zipfile.ZipFile(file) as archive:
            for line in archive.read("messages.json").decode().splitlines():
                message = json.loads(line)
                payload = message["payload"]
                if message["type"] == "metric_msg":
                    metric = payload["metric"]
                    book.scalars[metric["metricName"], metric["step"]] = metric["metricValue"]
                elif message["type"] == "file_upload":
                    about = payload["additional_params"]
                    self._take(book, payload["upload_type"], about, archive.read(payload["file_path"]))
        return book

    def _take(self, book: Book, kind: str, about: dict[str, Any], content: bytes) -> None:
        match kind:
            case "visualization":
                assert about["extension"] == "png"
                book.images[about["figName"].removesuffix(".png"), about["step"]] = decode(content)
            case "asset":
                assert about["fileName"] == "weightviz/report.html"
                book.page = content
            case "text-sample":
                book.text = content.decode()
            case "video":
                book.animations[about["fileName"].removesuffix(".gif"), about["step"]] = content
            case "histogram3d":
                record = json.loads(content)
                assert (record["start"], record["stop"], record["step"], record["offset"]) == (1e-12, 1e20, 1.1, 0)
                book.histograms[about["fileName"], about["step"]] = {
                    index: count for index, count in record["index_values"]
                }

    def counts(self, histogram: Histogram) -> Any:
        """Bins as Comet documents them: -inf, ..., 0, 1e-12, 1.1e-12, ..., inf, found by bisection."""
        magnitudes = list(takewhile(lambda edge: edge <= 1e20, accumulate(_forever(1.1), float.__mul__, initial=1e-12)))
        edges = [-math.inf, *(-edge for edge in reversed(magnitudes)), 0.0, *magnitudes, math.inf]
        counts: dict[int, int] = {}
        for low, high, count in zip(histogram.edges[:-1], histogram.edges[1:], histogram.counts, strict=True):
            if count:
                index = bisect_right(edges, (low + high) / 2) - 1
                counts[index] = counts.get(index, 0) + int(count)
        return counts


def _forever(value: float) -> Iterator[float]:
    while True:
        yield value


class Aim(Plain):
    """Aim's repository on the disk, opened again after the run was closed."""

    name = "AimLogger"

    def make(self, folder: Path, prefix: str = "") -> Any:
        need("aim")
        from aim.pytorch_lightning import AimLogger

        return AimLogger(
            repo=str(folder / "aim"),
            system_tracking_interval=None,
            log_system_params=False,
            capture_terminal_logs=False,
        )

    def read(self, logger: Any, folder: Path) -> Book:
        from aim.storage.context import Context

        book, run, nothing = Book(), logger.experiment, Context({})
        try:
            for key in list(run.meta_run_tree.subtree(("traces", nothing.idx)).keys()):
                if images := run.get_image_sequence(key, nothing):
                    for step, (image, *_) in images.data.items():
                        content = bytes(image.storage["data"])
                        if content.startswith(b"GIF"):
                            book.animations[key, step] = content
                        else:
                            book.images[key, step] = np.asarray(PillowImage.open(io.BytesIO(content)).convert("RGB"))
                elif texts := run.get_text_sequence(key, nothing):
                    book.text = max((step, text.data) for step, (text, *_) in texts.data.items())[1]
                elif distributions := run.get_distribution_sequence(key, nothing):
                    for step, (distribution, *_) in distributions.data.items():
                        book.histograms[key, step] = (list(distribution.range), distribution.weights.tolist())
                elif metric := run.get_metric(key, nothing):
                    book.scalars.update({(key, step): value for step, (value, *_) in metric.data.items()})
        finally:
            run.close()
        return book

    def counts(self, histogram: Histogram) -> Any:
        """How many values are below each edge of Aim's, by walking through our bins."""
        low, high = float(histogram.edges[0]), float(histogram.edges[-1])
        size = len(histogram.counts)
        below = []
        for edge in np.linspace(low, high, size + 1):
            lengths = np.diff(histogram.edges)
            shares = np.clip((edge - histogram.edges[:-1]) / lengths, 0.0, 1.0)
            below.append(round(float((shares * histogram.counts).sum())))
        return [low, high], np.diff(below).tolist()


class Trackio(Plain):
    """Trackio's SQLite and files, under a logger of the name and form that users write."""

    name = "TrackioLogger"

    def make(self, folder: Path, prefix: str = "") -> Any:
        trackio = need("trackio")
        from lightning.fabric.loggers.logger import rank_zero_experiment
        from lightning.pytorch.loggers import Logger
        from lightning.pytorch.utilities import rank_zero_only

        class TrackioLogger(Logger):
            """As proposed for Lightning."""

            name, version = "weightviz", "run"
            _run: Any = None

            @property
            @rank_zero_experiment
            def experiment(self) -> Any:
                if self._run is None:
                    quiet = {"embed": False, "auto_log_gpu": False, "auto_log_cpu": False}
                    self._run = trackio.init(project="weightviz", name="run", **quiet)
                return self._run

            @rank_zero_only
            def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
                self.experiment.log(metrics, step=step)

            @rank_zero_only
            def log_hyperparams(self, params: Any, *args: Any, **named: Any) -> None:
                self.experiment.config.update(dict(params))

            def finalize(self, status: str) -> None:
                if self._run is not None:
                    self._run.finish()

        _keep_trackio_in(folder / "trackio")
        return TrackioLogger()

    def read(self, logger: Any, folder: Path) -> Book:
        book, home = Book(), folder / "trackio"
        base = sqlite3.connect(home / "weightviz.db")
        try:
            rows = base.execute("select step, metrics from metrics order by id").fetchall()
        finally:
            base.close()
        for step, metrics in rows:
            for key, value in json.loads(metrics).items():
                if not isinstance(value, dict):
                    book.scalars[key, step] = value
                elif value["_type"] == "trackio.histogram":
                    book.histograms[key, step] = (value["bins"], value["values"])
                elif value["_type"] == "trackio.markdown":
                    book.text = value["_value"]
                else:
                    content = (home / "media" / value["file_path"]).read_bytes()
                    if value["_type"] == "trackio.html":
                        book.page = content
                    elif value["_type"] == "trackio.video":
                        book.animations[key, step] = content
                    else:
                        book.images[key, step] = decode(content)
        return book

    def alerts(self, folder: Path) -> list[tuple[str, str, str, int]]:
        """Title, text, level and step of each."""
        base = sqlite3.connect(folder / "trackio" / "weightviz.db")
        try:
            return base.execute("select title, text, level, step from alerts order by id").fetchall()
        finally:
            base.close()


def _keep_trackio_in(folder: Path) -> None:
    """Trackio settles where it writes when it is imported, in several modules."""
    from trackio import utils

    moved = {utils.TRACKIO_DIR: folder, utils.MEDIA_DIR: folder / "media"}
    for module in [module for name, module in sys.modules.items() if name.partition(".")[0] == "trackio"]:
        for name, value in list(vars(module).items()):
            if isinstance(value, Path) and value in moved:
                setattr(module, name, moved[value])


DRAWN = {"CSVLogger", "MLFlowLogger", "DVCLiveLogger", "SwanLabLogger", "LitLogger"}
"""Those that get histograms as pictures."""

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (TensorBoard(), Csv(), Wandb(), MLFlow(), SwanLab(), DvcLive(), Comet(), Aim(), Lit(), Trackio())
}
