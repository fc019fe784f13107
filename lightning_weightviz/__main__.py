"""``python -m lightning_weightviz``: the command ``weightviz``."""

from lightning_weightviz.command import main

if __name__ == "__main__":
    main()
