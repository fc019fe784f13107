"""The command ``weightviz``: looks at the weights in files."""

from __future__ import annotations

import importlib.util
import sys


def main() -> None:
    """Runs the command; where its packages are missing, says so in a line."""
    missing = [name for name in ("typer", "rich") if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"weightviz needs {' and '.join(missing)}: pip install 'lightning-weightviz[command]'")
    from lightning_weightviz.command.application import application

    application()
