"""A page as users get it: shown in a notebook, or saved to a file."""

from __future__ import annotations

import html
import os
from dataclasses import dataclass, field
from pathlib import Path

HEIGHT = 900
"""Pixels of a page in a notebook."""


@dataclass(frozen=True)
class WeightPage:
    """The whole page of a run, in one file that asks for nothing else.

    Attributes:
        content: HTML in UTF-8.

    Example:
        >>> page = WeightPage(b"<p>weights</p>")
        >>> page
        WeightPage(14 bytes)
        >>> page.save(getfixture("tmp_path") / "weights.html").name
        'weights.html'
    """

    content: bytes = field(repr=False)

    def __repr__(self) -> str:
        """Its size: the content would fill a terminal."""
        return f"WeightPage({len(self.content)} bytes)"

    def _repr_html_(self) -> str:
        """A frame with the page, which its styles and names do not leave."""
        escaped = html.escape(self.content.decode(), quote=True)
        return (
            f'<iframe srcdoc="{escaped}" sandbox="allow-scripts allow-popups allow-downloads" title="weights" '
            f'style="width: 100%; height: {HEIGHT}px; border: 0"></iframe>'
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the page to a file; returns its path.

        Raises:
            OSError: It cannot be written.
        """
        file = Path(path)
        partial = file.with_name(f"{file.name}.partial")
        partial.write_bytes(self.content)
        partial.replace(file)
        return file
