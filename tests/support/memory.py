"""How much memory a process takes, as Linux tells it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

MIB = 2**20


def resident() -> int:
    """Bytes of this process in memory: for steps of hundreds of MiB, as other tests leave freed memory behind."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        pytest.skip("/proc/self/statm, which tells the memory in use, is Linux's alone")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak_of(*arguments: str | Path) -> int:
    """Bytes that the command `weightviz` took at most, in a process of its own."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells how much memory a process took")
    # What `wait4` tells holds this process's as well.
    program = (
        "import re, sys\n"
        "from lightning_weightviz.command import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stderr) * 1024
