"""The examples for other hosts run, offline, and write what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.frameworks.records import events

ROOT = Path(__file__).parent.parent.parent


def example(script: str, *packages: str, **environment: str) -> Any:
    """A case that is skipped where what it needs is missing."""
    missing = [name for name in packages if find_spec(name) is None]
    skip = pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")
    return pytest.param(script, environment, marks=skip, id=script)


@pytest.mark.parametrize(
    ("script", "environment"),
    [
        example("keras_digits.py", "keras", KERAS_BACKEND="torch"),
        example("transformers_text.py", "transformers", "accelerate", HF_HUB_OFFLINE="1"),
    ],
)
def test_example_logs_every_epoch(script: str, environment: dict[str, str], tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / script, "--epochs", "2", "--out", "out"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed with" not in done.stderr and "tensorboard --logdir out" in done.stdout, done.stderr
    log = events(tmp_path / "out")
    [head] = {tag for tag in log["images"] if tag.startswith("classes/weights")}
    assert len(log["images"][head]) == len(log["images"]["overview/weights"]) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
