"""Pictures and histograms as files, with a list of them."""

from __future__ import annotations

from typing import Any

from lightning_weightviz.artifacts import Animation, Batch, Histogram, Image, Page, Scalar, Text
from lightning_weightviz.sinks.support.folder import Folder
from lightning_weightviz.sinks.support.histogram_pictures import drawn_histograms, histogram_record
from lightning_weightviz.sinks.support.names import step_name, tag_path, text_file, unicode_tag

MANIFEST = "manifest.jsonl"


def write_pictures(folder: Folder, batch: Batch) -> None:
    """Writes all but the scalars and the page of a batch, with each tag as `tag_path` makes it.

    - ``<tag>/step_00000899.png`` and ``.gif``: pictures, whole or not at all;
    - ``<tag>/histogram.jsonl``: one line per step with ``step, epoch, minimum, maximum, sum, sum_squares, edges,
      counts``; those of the most values, 24 per snapshot, are drawn too, to ``<tag>/step_00000899.png``;
    - ``findings.md``: what was found;
    - ``manifest.jsonl``: one line for each picture and histogram with ``tag, kind, step, epoch, file, caption``,
      written after what it names. A file written again, as after a resume, has a second line; the last one holds.
    """
    moment = {"step": batch.step, "epoch": batch.epoch}
    pictures = {f"{tag_path(one.tag)}/{step_name(batch)}.png": one.png for one in drawn_histograms(batch)}
    histograms: dict[str, list[dict[str, Any]]] = {}
    manifest: list[dict[str, Any]] = []
    for artifact in batch.artifacts:
        place = tag_path(artifact.tag)
        match artifact:
            case Scalar() | Page():
                # The page is written by itself.
                continue
            case Image():
                kind, caption, file = "image", artifact.caption, f"{place}/{step_name(batch)}.png"
                pictures[file] = artifact.png
            case Animation():
                kind, caption, file = "animation", artifact.caption, f"{place}/{step_name(batch)}.gif"
                pictures[file] = artifact.gif
            case Text():
                kind, caption, file = "text", "", text_file(artifact.tag)
                pictures[file] = unicode_tag(artifact.text).encode()
            case Histogram():
                kind, caption, file = "histogram", "", f"{place}/histogram.jsonl"
                histograms.setdefault(file, []).append(moment | histogram_record(artifact))
        manifest.append({"tag": artifact.tag, "kind": kind, **moment, "file": file, "caption": caption})
    folder.write(pictures)
    folder.append(histograms)
    folder.append({MANIFEST: manifest})
