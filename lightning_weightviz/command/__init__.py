"""The command ``weightviz``: looks at the weights in files."""

from __future__ import annotations

import importlib.util
import io
import os
import signal
import sys
import warnings


def main() -> None:
    """Runs the command; where its packages are missing, says so in a line."""
    missing = [name for name in ("typer", "rich") if importlib.util.find_spec(name) is None]
    if missing:
        sys.exit(f"weightviz needs {' and '.join(missing)}: pip install 'lightning-weightviz[command]'")
    _ready_streams()
    # So that what is half written is removed.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # While seconds of imports last, nothing is there to remove, and Ctrl-C ends the process without a traceback.
    handler = signal.getsignal(signal.SIGINT)
    if handler != signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from lightning_weightviz.command.application import application, tell

    signal.signal(signal.SIGINT, handler)
    try:
        warnings.showwarning = lambda message, *_: tell(str(message))
        # They are for users here, whatever Python's own option makes of them.
        warnings.simplefilter("default", UserWarning)
        application()
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def _ready_streams() -> None:
    """What was closed swallows what is written to it; what cannot be said in a stream's encoding is an escape there."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # as long as the process
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, stream)
