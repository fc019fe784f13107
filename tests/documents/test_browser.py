"""What a person sees: TensorBoard's page in Chromium, on the folder of the demo."""

from __future__ import annotations

import base64
import re
import urllib.parse
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.conftest import Demo
from tests.support.browser import CHROMEDRIVER, CHROMIUM, Browser, chromium
from tests.support.samples import decode, read_events
from tests.support.tensorboard_server import TensorBoardServer, serve

pytestmark = [
    pytest.mark.skipif(not find_spec("selenium"), reason="needs selenium to drive a browser"),
    pytest.mark.skipif(
        not (CHROMIUM and CHROMEDRIVER), reason="needs chromium and chromedriver on the PATH (Debian's packages)"
    ),
]

# Of a card in the images tab, the picture as the page decoded it, without the brightness that the page lays over it.
_PIXELS = """(() => {
  const image = element.shadowRoot.querySelector('img');
  if (!image.complete || !image.naturalWidth || !image.clientWidth) return null;
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  canvas.getContext('2d').drawImage(image, 0, 0);
  return canvas.toDataURL('image/png');
})()"""

# Of a card in the histograms tab, how long the outline of each step is.
_OUTLINES = """(() => {
  const chart = element.shadowRoot.querySelector('vz-histogram-timeseries').shadowRoot;
  const outlines = [...chart.querySelectorAll('.histogram path')].map(path => path.getAttribute('d').length);
  return outlines.length ? outlines : null;
})()"""

# Of a card in the scalars tab, how many lines are drawn.
_LINES = """(() => {
  const loader = element.shadowRoot.querySelector('tf-line-chart-data-loader').shadowRoot;
  const chart = loader.querySelector('vz-line-chart2').shadowRoot;
  return [...chart.querySelectorAll('path.line')].filter(path => path.getAttribute('d').length > 20).length;
})()"""

# Of a card in the time series tab: what is drawn, by the card's kind.
_DRAWN = {
    "image-card": "[...element.querySelectorAll('img')].filter(image => image.naturalWidth === 720).length",
    "histogram-card": "element.querySelectorAll('.histogram path').length",
    "scalar-card": "element.querySelectorAll('line-chart canvas').length",
}
_TIME_SERIES_TAG = "element.querySelector('tb-truncated-path').textContent.trim()"


@pytest.fixture(scope="module")
def events_folder(demo: Demo) -> Path:
    """The demo's folder."""
    return demo.run


@pytest.fixture(scope="module")
def events(events_folder: Path) -> EventAccumulator:
    """What is in the files."""
    return read_events(events_folder)


@pytest.fixture(scope="module")
def server(events_folder: Path, events: EventAccumulator) -> Iterator[TensorBoardServer]:
    with serve(events_folder) as running:
        running.wait_for(
            lambda it: all(it.tags(kind) >= set(events.Tags()[kind]) for kind in ("images", "histograms", "scalars"))
        )
        yield running


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def _group(tags: list[str], group: str) -> list[str]:
    found = sorted(tag for tag in tags if tag.startswith(f"{group}/"))
    assert found, f"no tag of {group} in the event files"
    return found


def _open(browser: Browser, server: TensorBoardServer, tab: str, group: str) -> None:
    """Opens a tab on the tags of one group alone: cards further down are not drawn before they are scrolled to."""
    tag_filter = urllib.parse.quote(f"^{re.escape(group)}/", safe="")
    if tab == "timeseries":
        browser.open(f"{server.url}?tagFilter={tag_filter}#timeseries")
    else:
        browser.open(f"{server.url}#{tab}&tagFilter={tag_filter}")


def _cards(
    browser: Browser, selector: str, tags: list[str], expression: str, tag: str = "element.tag"
) -> dict[str, Any]:
    """For each tag, what the expression gives of its card, once it gives something for all."""

    def found() -> dict[str, Any] | None:
        answers = [answer for answer in browser.each(selector, f"[{tag}, {expression}]") if answer]
        cards = {name: value for name, value in answers if value}
        return cards if cards.keys() >= set(tags) else None

    return dict(browser.wait_for(f"{selector} for each of {tags}", found))


def test_images_tab_shows_our_pictures(
    browser: Browser, server: TensorBoardServer, events: EventAccumulator, tmp_path: Path
) -> None:
    tags = _group(events.Tags()["images"], "weights.heatmap")
    _open(browser, server, "images", "weights.heatmap")
    cards = _cards(browser, "tf-image-loader", tags, _PIXELS)
    browser.screenshot(tmp_path / "images.png")
    for tag in tags:
        shown = decode(base64.b64decode(cards[tag].partition(",")[2]))
        assert shown.shape[1] == 720
        np.testing.assert_array_equal(shown, decode(events.Images(tag)[-1].encoded_image_string))


def test_histograms_tab_shows_a_shape_for_each_step(
    browser: Browser, server: TensorBoardServer, events: EventAccumulator, tmp_path: Path
) -> None:
    tags = _group(events.Tags()["histograms"], "weights.histogram")
    _open(browser, server, "histograms", "weights.histogram")
    cards = _cards(browser, "tf-histogram-loader", tags, _OUTLINES)
    browser.screenshot(tmp_path / "histograms.png")
    for tag in tags:
        assert len(cards[tag]) == len(events.Histograms(tag))
        assert min(cards[tag]) > 100


def test_scalars_tab_shows_lines(
    browser: Browser, server: TensorBoardServer, events: EventAccumulator, tmp_path: Path
) -> None:
    tags = _group(events.Tags()["scalars"], "weights.rms")
    _open(browser, server, "scalars", "weights.rms")
    _cards(browser, "tf-scalar-card", tags, _LINES)
    browser.screenshot(tmp_path / "scalars.png")


@pytest.mark.parametrize(
    ("card", "kind", "group"),
    [
        ("image-card", "images", "weights.heatmap"),
        ("histogram-card", "histograms", "weights.histogram"),
        ("scalar-card", "scalars", "weights.rms"),
    ],
)
def test_time_series_tab_shows_cards_of_every_kind(
    card: str,
    kind: str,
    group: str,
    browser: Browser,
    server: TensorBoardServer,
    events: EventAccumulator,
    tmp_path: Path,
) -> None:
    # Four fill the window; those below are drawn when scrolled to.
    tags = _group(events.Tags()[kind], group)[:4]
    _open(browser, server, "timeseries", group)
    _cards(browser, card, tags, _DRAWN[card], _TIME_SERIES_TAG)
    browser.screenshot(tmp_path / f"{card}.png")
