"""The newest of every picture as one HTML page."""

from __future__ import annotations

import base64
import html

from lightning_weightviz.artifacts import Animation, Batch, Image
from lightning_weightviz.sinks.support.names import unicode_tag

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{title}</title>
<style>
  body {{ font: 16px sans-serif; margin: 2em; color: #202124; }}
  section {{ display: flex; flex-wrap: wrap; gap: 1.5em; align-items: flex-start; }}
  figure {{ margin: 0; border: 1px solid #ced0d4; }}
  img {{ display: block; width: 480px; max-width: 100%; }}
</style>
<h1>{title}</h1>
{sections}
</html>
"""


class Report:
    """Keeps the newest picture of each tag, encoded, in the order in which they came."""

    def __init__(self) -> None:
        self._newest: dict[str, tuple[str, bytes, str]] = {}

    def add(self, batch: Batch) -> None:
        """Takes the pictures of a snapshot."""
        for artifact in batch.artifacts:
            if isinstance(artifact, (Image, Animation)):
                kind, data = ("png", artifact.png) if isinstance(artifact, Image) else ("gif", artifact.gif)
                self._newest.pop(artifact.tag, None)
                self._newest[artifact.tag] = (kind, data, artifact.caption)

    @property
    def is_empty(self) -> bool:
        """Whether no picture was drawn."""
        return not self._newest

    def page(self, title: str) -> bytes:
        """The page, a section for each view."""
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
        return unicode_tag(_PAGE.format(title=html.escape(title), sections=sections)).encode()
