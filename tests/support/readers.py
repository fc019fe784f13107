"""Chromium as fixtures: a browser for a test file, and a reader that holds the page to silence."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from tests.page.reading import Reader, silent_reader
from tests.support.browser import CHROMEDRIVER, CHROMIUM, chromium

NEEDS_BROWSER = [
    pytest.mark.skipif(not find_spec("selenium"), reason="needs selenium to drive a browser"),
    pytest.mark.skipif(
        not (CHROMIUM and CHROMEDRIVER), reason="needs chromium and chromedriver on the PATH (Debian's packages)"
    ),
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    """A new profile, and a folder for pages."""
    with chromium(tmp_path_factory.mktemp("profile"), 1300, 1000, logs=True) as opened:
        yield Reader(opened, tmp_path_factory.mktemp("pages"))


@pytest.fixture
def reader(browser: Reader) -> Iterator[Reader]:
    """The browser, which must ask for nothing and say nothing."""
    yield from silent_reader(browser)


def texts(reader: Reader, selector: str) -> list[str]:
    """What elements say, in order."""
    found: list[str] = reader.ask(f"[...document.querySelectorAll({selector!r})].map(one => one.textContent)")
    return found
