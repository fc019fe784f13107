"""What a page holds, read from its HTML."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any


def run_of(page: bytes | Path, which: str = "") -> dict[str, Any]:
    """The names and facts of a run on a page; `which` is ``"other-"`` for the second of two."""
    text = (page.read_bytes() if isinstance(page, Path) else page).decode()
    [found] = re.findall(rf'<script type="application/json" id="{which}data">(.*?)</script>', text, re.DOTALL)
    run: dict[str, Any] = json.loads(found)
    return run


def names_on(page: bytes | Path, which: str = "") -> list[str]:
    """The layers of a run, in the page's order."""
    return [layer["name"] for layer in run_of(page, which)["layers"]]


def ordinals_on(page: bytes | Path) -> list[int]:
    """Which snapshots have maps."""
    ordinals: list[int] = run_of(page)["frames"]["ordinal"]
    return ordinals
