"""The page: one file that asks for nothing else."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
from typing import Any

from lightning_weightviz.page.bundle import script, skeleton, style
from lightning_weightviz.page.data import PageData
from lightning_weightviz.page.describe import described
from lightning_weightviz.page.encode import FINE

MAP_BYTES = 9_000_000
"""Beyond it the maps of a run are written in fewer steps; a page is to stay below 10 MB."""
COARSEST = 31


def document(data: PageData, other: PageData | None = None) -> bytes:
    """The page of a run, or of two runs beside each other.

    Args:
        data: The run.
        other: The one that it is compared with.

    Returns:
        HTML in UTF-8. Names, classes and findings are in it as JSON alone, which the script sets as text.
    """
    runs = _run(data, "", MAP_BYTES if other is None else MAP_BYTES // 2)
    if other is not None:
        runs += _run(other, "other-", MAP_BYTES // 2)
    rules, program = style(), script()
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_digest(program)}'",
            f"style-src '{_digest(rules)}'",
            "img-src data: blob:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
    title = html.escape(data.title if other is None else f"{data.title} and {other.title}")
    parts = {"policy": policy, "title": title, "style": rules, "data": runs, "script": program}
    page = skeleton()
    for name, text in parts.items():
        # Split rather than replaced one after the other: what is put in is not looked through again.
        before, _, after = page.partition(f"<!--{name}-->")
        parts[name], page = before + text, after
    # A name may hold half of a pair of code units, which UTF-8 has no bytes for.
    return ("".join(parts.values()) + page).encode("utf-8", "replace")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _run(data: PageData, prefix: str, most: int) -> str:
    """The elements that hold a run."""
    steps = FINE
    facts, blocks = described(data, steps)
    texts = [block.text for block in blocks]
    pictured = any(series.maps for layer in data.layers for series in layer.targets.values())
    while pictured and steps > COARSEST and sum(map(len, texts)) > most:
        steps //= 2
        facts, blocks = described(data, steps)
        texts = [block.text for block in blocks]
    elements = [f'<script type="application/json" id="{prefix}data">{_json(facts)}</script>']
    elements += [
        f'<script type="text/plain" id="{prefix}block-{place}">{text}</script>' for place, text in enumerate(texts)
    ]
    return "\n".join(elements)


def _json(facts: Any) -> str:
    """JSON that no markup can end, and that JavaScript's parser takes: NaN and infinities are null."""
    text = json.dumps(_finite(facts), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
