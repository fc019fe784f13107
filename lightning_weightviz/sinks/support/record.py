"""Pictures and histograms as files, with a list of them."""

from __future__ import annotations

from typing import Any

from lightning_weightviz.artifacts import Animation, Artifact, Batch, Histogram, Image, Page, Scalar, Text
from lightning_weightviz.sinks.support.alone import each_alone
from lightning_weightviz.sinks.support.folder import Folder
from lightning_weightviz.sinks.support.histogram_pictures import draw_histogram, histogram_record, largest_histograms
from lightning_weightviz.sinks.support.names import step_name, tag_path, text_file, unicode_tag

MANIFEST = "manifest.jsonl"


def write_pictures(folder: Folder, batch: Batch) -> None:
    """Writes all but the scalars and the page of a batch, with each tag as `tag_path` makes it.

    - ``<tag>/step_00000899.png`` and ``.gif``: pictures, whole or not at all; of a second snapshot at the same step
      ``step_00000899_2.png``;
    - ``<tag>/histogram.jsonl``: one line per step with ``step, epoch, minimum, maximum, sum, sum_squares, edges,
      counts``; those of the most values, 24 per snapshot, are drawn too, to ``<tag>/step_00000899.png``;
    - ``findings.md``: what was found;
    - ``manifest.jsonl``: one line for each picture and histogram with ``tag, kind, step, epoch, file, caption``,
      written after what it names. A file written again, as after a resume, has a second line; the last one holds.

    What cannot be drawn or written takes nothing else with it, and has no line; why is raised at the end.
    """
    with each_alone() as alone:
        files = _Files(batch)
        for histogram in largest_histograms(batch):
            with alone():
                files.draw(histogram)
        for artifact in batch.artifacts:
            with alone():
                files.add(artifact)
        failed = dict(folder.write_each(files.whole))
        try:
            folder.append(files.lines)
        except Exception as error:
            failed |= dict.fromkeys(files.lines, error)
        folder.append({MANIFEST: [line for line in files.manifest if line["file"] not in failed]})
        for reason in failed.values():
            with alone():
                raise reason


class _Files:
    """What becomes of a batch.

    Attributes:
        whole: Files that are written, by name.
        lines: Records that are appended to files, by name.
        manifest: A line for each artifact that is in one of them.
    """

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._moment = {"step": batch.step, "epoch": batch.epoch}
        self.whole: dict[str, bytes] = {}
        self.lines: dict[str, list[dict[str, Any]]] = {}
        self.manifest: list[dict[str, Any]] = []

    def draw(self, histogram: Histogram) -> None:
        """Puts in a histogram's picture, which is not listed."""
        drawn = draw_histogram(histogram, self._batch.step, self._batch.epoch)
        self.whole[self._name(histogram, "png")] = drawn.png

    def add(self, artifact: Artifact) -> None:
        """Puts in an artifact; no page, which is written by itself, and no scalar."""
        match artifact:
            case Scalar() | Page():
                return
            case Image():
                kind, caption, file = "image", artifact.caption, self._name(artifact, "png")
                self.whole[file] = artifact.png
            case Animation():
                kind, caption, file = "animation", artifact.caption, self._name(artifact, "gif")
                self.whole[file] = artifact.gif
            case Text():
                kind, caption, file = "text", "", text_file(artifact.tag)
                self.whole[file] = unicode_tag(artifact.text).encode()
            case Histogram():
                kind, caption, file = "histogram", "", f"{tag_path(artifact.tag)}/histogram.jsonl"
                self.lines.setdefault(file, []).append(self._moment | histogram_record(artifact))
        self.manifest.append({"tag": artifact.tag, "kind": kind, **self._moment, "file": file, "caption": caption})

    def _name(self, artifact: Artifact, kind: str) -> str:
        return f"{tag_path(artifact.tag)}/{step_name(self._batch)}.{kind}"
