"""What is left to do when a process ends, seen from outside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
from lightning_weightviz.run.ending import at_end, not_at_end

def fails():
    raise OSError("no space left")

def done():
    print("done already")

at_end(lambda: print("first"))
at_end(fails)
at_end(lambda: print("second"))
at_end(done)
not_at_end(done)
not_at_end(print)
raise SystemExit(3)
"""


def test_all_is_done_once_where_one_raises() -> None:
    root = Path(__file__).parent.parent.parent
    ended = subprocess.run([sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, timeout=120)
    assert sorted(ended.stdout.split("\n")) == ["", "first", "second"]
    assert "OSError: no space left" in ended.stderr
    assert ended.returncode == 3
