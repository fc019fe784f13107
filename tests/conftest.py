"""What several test files share: one whole run of the demo, as a user gets it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# Where there is no device, Triton's kernels run in its interpreter. It asks for that when PyTorch imports it.
if not shutil.which("nvidia-smi"):
    os.environ["TRITON_INTERPRET"] = "1"


@dataclass(frozen=True)
class Demo:
    """A finished demo.

    Attributes:
        folder: Where it was run.
        printed: What it printed, errors behind.
    """

    folder: Path
    printed: str

    @property
    def run(self) -> Path:
        """The folder with the event files."""
        return self.folder / "demo" / "digits-good" / "version_0"


@pytest.fixture(autouse=True)
def patience(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a snapshot may cost more than is free, and training waits for it.

    Only tests of the budget lose pictures to it, and only tests of that wait.
    """
    if request.path.name != "test_schedule.py":
        # Not above: where TensorFlow is tried, it comes first.
        from lightning_weightviz.run import schedule

        monkeypatch.setattr(schedule, "FREE_SECONDS", 600.0)
        monkeypatch.setattr(schedule.Schedule, "leaves_room", True)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """``examples/digits.py`` with nothing changed, in a process and a folder of its own."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "digits.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed with" not in done.stderr, done.stderr
    return Demo(folder, done.stdout + done.stderr)
