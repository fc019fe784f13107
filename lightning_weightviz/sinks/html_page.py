"""One HTML page with the newest of every picture, to send to somebody who has no logger open."""

from __future__ import annotations

import base64
import html
from typing import Any

from lightning_weightviz.artifacts import Animation, Batch, Image
from lightning_weightviz.sinks.support.folder import SUBFOLDER, Place, inside, open_folder
from lightning_weightviz.sinks.support.names import unicode_tag

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Weights at epoch {epoch}, step {step}</title>
<style>
  body {{ font: 16px sans-serif; margin: 2em; color: #202124; }}
  section {{ display: flex; flex-wrap: wrap; gap: 1.5em; align-items: flex-start; }}
  figure {{ margin: 0; border: 1px solid #ced0d4; }}
  img {{ display: block; width: 480px; max-width: 100%; }}
</style>
<h1>Weights at epoch {epoch}, step {step}</h1>
{sections}
</html>
"""


class HtmlPage:
    """Keeps the newest picture of each tag, encoded, and writes them to ``weightviz/report.html`` when it is flushed.

    Args:
        logger: Not used: there is one page for all loggers.
        folder: Where ``weightviz`` lies.
    """

    def __init__(self, logger: Any, folder: Place) -> None:
        self._place = inside(folder, SUBFOLDER)
        self._newest: dict[str, tuple[str, bytes, str]] = {}
        self._epoch = 0
        self._step = 0

    def write(self, batch: Batch) -> None:
        """Takes the pictures of a snapshot."""
        self._epoch, self._step = batch.epoch, batch.step
        for artifact in batch.artifacts:
            if isinstance(artifact, Image):
                self._newest[artifact.tag] = ("png", artifact.png, artifact.caption)
            elif isinstance(artifact, Animation):
                self._newest[artifact.tag] = ("gif", artifact.gif, artifact.caption)

    def flush(self) -> None:
        """Writes the page; nothing where no picture was drawn."""
        if not self._newest:
            return
        groups: dict[str, list[str]] = {}
        for tag, (kind, data, caption) in self._newest.items():
            encoded = base64.b64encode(data).decode("ascii")
            alt = html.escape(f"{tag}: {caption}", quote=True)
            figure = f'<figure><img alt="{alt}" src="data:image/{kind};base64,{encoded}"></figure>'
            groups.setdefault(tag.split("/")[0], []).append(figure)
        sections = "\n".join(
            f"<h2>{html.escape(group)}</h2>\n<section>\n{''.join(figures)}\n</section>"
            for group, figures in groups.items()
        )
        page = _PAGE.format(epoch=self._epoch, step=self._step, sections=sections)
        open_folder(self._place).write({"report.html": unicode_tag(page).encode()})
