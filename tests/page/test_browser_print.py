"""The page on paper: what Chromium lays out and draws when it prints."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from lightning_weightviz.page.document import document
from tests.page import samples
from tests.page.reading import Reader
from tests.support.readers import NEEDS_BROWSER, browser, reader

__all__ = ["browser", "reader"]
pytestmark = NEEDS_BROWSER

_INK = """[...document.querySelectorAll(arguments[0])].filter(one => one.checkVisibility()).map(one => {
  const copy = new OffscreenCanvas(one.width, one.height).getContext('2d');
  copy.drawImage(one, 0, 0);
  const pixels = copy.getImageData(0, 0, one.width, one.height).data;
  let [ink, dark] = [0, 255];
  for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] > 200) {
    ink++;
    dark = Math.min(dark, (pixels[i] + pixels[i + 1] + pixels[i + 2]) / 3);
  }
  return [ink, dark];
})"""


def tell(reader: Reader, event: str) -> None:
    reader.ask(f"window.dispatchEvent(new Event('{event}'))")


def shapes(reader: Reader) -> Any:
    """Width and pixels of every canvas, and of the page."""
    return reader.ask(
        "[...document.querySelectorAll('canvas, body')].map(x => [x.getBoundingClientRect().width, x.width ?? 0])"
    )


def test_a_dark_page_is_printed_light_and_comes_back(reader: Reader) -> None:
    reader.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    try:
        reader.open(document(samples.digits()[0]), "#layer=head.weight")
        reader.settle()
        before = shapes(reader)
        said = reader.driver.execute_script(f"return {_INK}", "#cards canvas")
        tell(reader, "beforeprint")
        printed = reader.driver.execute_script(f"return {_INK}", "#cards canvas")
        background = reader.ask("getComputedStyle(document.body).backgroundColor")
        color = reader.ask("getComputedStyle(document.body).color")
        tell(reader, "afterprint")
        reader.settle()
        assert shapes(reader) == before
        assert "rgb(255, 255, 255)" in background and sum(map(int, re.findall(r"\d+", color))) < 200
        # Nothing is left out, and curves and words are darker than on dark ground.
        assert len(printed) == len(said) > 5 and min(ink for ink, _ in printed) > 50
        assert reader.ask("getComputedStyle(document.body).backgroundColor") != background
    finally:
        reader.cdp("Emulation.setEmulatedMedia", features=[])


@pytest.mark.parametrize("width", [360, 1300])
@pytest.mark.parametrize("name", ["blocks.0.mlp.fc1.weight", "stem.conv.weight", "classifier.weight"])
def test_nothing_on_paper_is_cut(reader: Reader, width: int, name: str) -> None:
    reader.open(document(samples.network()[0]), f"#layer={name}", width=width)
    tell(reader, "beforeprint")
    outside = reader.ask(
        """[...document.querySelectorAll('body *')].filter(one => one.checkVisibility()
        && one.getBoundingClientRect().right > document.body.getBoundingClientRect().left + 701).length"""
    )
    assert outside == 0 and reader.ask("document.body.getBoundingClientRect().width") == 700
    scrolls = reader.ask(
        """[...document.querySelectorAll('#layers, .wide')].filter(one => one.scrollHeight > one.clientHeight + 2
        && getComputedStyle(one).overflowY !== 'visible').length"""
    )
    assert scrolls == 0
    for part in ("#findings", "#layers", "#map", "#scale", "#curves"):
        assert reader.ask(f"document.querySelector('{part}').checkVisibility()"), part
    pressed = "[...document.querySelectorAll('button, select, input')].filter(one => one.checkVisibility())"
    assert reader.ask(f"{pressed}.every(one => one.closest('.head, #about, #clock, .more-rows'))")


def test_every_row_that_is_printed_has_its_strips(reader: Reader) -> None:
    reader.open(document(samples.deep(500)))
    reader.ask("document.querySelector('.head [data-column=rms]').click()")
    reader.settle()
    tell(reader, "beforeprint")
    inks = reader.driver.execute_script(f"return {_INK}", ".rows canvas")
    assert len(inks) >= 3 * 400 and min(ink for ink, _ in inks) > 10


def test_chromium_prints_few_sheets(reader: Reader) -> None:
    for page, most in ((samples.network()[0], 4), (samples.digits()[0], 4)):
        reader.open(document(page))
        reader.ask("window.addEventListener('afterprint', () => (window.seen = document.body.offsetWidth))")
        pdf = base64.b64decode(reader.cdp("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)["data"])
        assert len(re.findall(rb"/Type /Page\b", pdf)) in range(2, most)
        assert reader.ask("document.documentElement.className") == "" and reader.ask("window.seen") > 0
