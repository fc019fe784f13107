"""The command ``weightviz``: looks at the weights in files."""

from __future__ import annotations

import importlib.util
import signal
import sys
import warnings


def main() -> None:
    """Runs the command; where its packages are missing, says so in a line."""
    missing = [name for name in ("typer", "rich") if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"weightviz needs {' and '.join(missing)}: pip install 'lightning-weightviz[command]'")
    # So that what is half written is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        from lightning_weightviz.command.application import application, tell

        warnings.showwarning = lambda message, *_: tell(str(message))
        application()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
