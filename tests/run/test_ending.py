"""What is left to do when a process ends, seen from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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


FORKS = """
import multiprocessing
from lightning_weightviz.run.ending import at_end

at_end(lambda: print("the parent's", flush=True))
child = multiprocessing.get_context("fork").Process(target=print, args=("the child's",), kwargs={"flush": True})
child.start()
child.join()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")
def test_a_fork_leaves_it_to_its_parent() -> None:
    """As the workers of a DataLoader, which have none of its threads."""
    root = Path(__file__).parent.parent.parent
    ended = subprocess.run([sys.executable, "-c", FORKS], cwd=root, capture_output=True, text=True, timeout=120)
    assert ended.stdout.split("\n") == ["the child's", "the parent's", ""], ended.stderr


def test_all_is_done_once_where_one_raises() -> None:
    root = Path(__file__).parent.parent.parent
    ended = subprocess.run([sys.executable, "-c", PROGRAM], cwd=root, capture_output=True, text=True, timeout=120)
    assert sorted(ended.stdout.split("\n")) == ["", "first", "second"]
    assert "OSError: no space left" in ended.stderr
    assert ended.returncode == 3
