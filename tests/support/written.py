"""What is written on pages."""

from __future__ import annotations

from typing import Any

import pytest

from lightning_weightviz.draw.page import Page


def listening(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list to which each line that is set on a page is added from now on."""
    lines: list[str] = []
    text = Page.text

    def listen(page: Page, x: float, y: float, words: str, **options: Any) -> None:
        lines.append(words)
        text(page, x, y, words, **options)

    monkeypatch.setattr(Page, "text", listen)
    return lines
