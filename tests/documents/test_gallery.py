"""The gallery's script, run quickly: it writes all that it tells of, and leaves no view out."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from PIL import Image

from lightning_weightviz.settings import DEFAULT_VIEWS

ROOT = Path(__file__).resolve().parent.parent.parent
WITHOUT_PICTURES = {"histogram", "statistics"}


def test_every_picture_is_written_and_every_view_is_shown(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "docs.make_gallery", "--quick", "--out", str(tmp_path)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    text = (tmp_path / "gallery.md").read_text()
    named = re.findall(r"^!\[[^\]]+\]\((gallery/[^)]+)\)$", text, re.MULTILINE)
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.*") if path.suffix != ".md")
    assert sorted(named) == written and len(named) > 40
    for path in named:
        with Image.open(tmp_path / path) as picture:
            assert picture.width == 720
    tags = re.findall(r"^### `(.+)`$", text, re.MULTILINE)
    shown = {part for tag in tags for part in re.split(r"[./]", tag)}
    assert {*DEFAULT_VIEWS, "drift", "spectrum"} - WITHOUT_PICTURES <= shown


def test_the_gallery_in_the_repository_is_that_of_the_script() -> None:
    text = (ROOT / "docs" / "gallery.md").read_text()
    named = re.findall(r"\((gallery/[^)]+)\)", text)
    assert len(named) > 40 and all((ROOT / "docs" / path).is_file() for path in named)
