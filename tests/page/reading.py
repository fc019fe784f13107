"""A page in Chromium, used as a person uses it: pointer, keys, and what is read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.browser import Browser

_POWERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
_NUMBER = re.compile(r"(−?)([\d.]+)(?: ± ([\d.]+))?(?: × 10([⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+))?")


@dataclass(frozen=True)
class Reading:
    """What `#value` says.

    Attributes:
        where: Row and column in words.
        values: With the error of each.
        text: All of it.
    """

    where: str
    values: tuple[tuple[float, float], ...]
    text: str


def number_of(text: str) -> tuple[float, float]:
    """A value and its error, as the page writes them."""
    if text in ("NaN", "∞", "−∞"):
        return float({"NaN": "nan", "∞": "inf", "−∞": "-inf"}[text]), 0.0
    found = _NUMBER.fullmatch(text)
    assert found, text
    sign, value, error, power = found.groups()
    scale = 10.0 ** int((power or "0").translate(_POWERS))
    return (-1 if sign else 1) * float(value) * scale, float(error or 0) * scale


class Reader:
    """Opens pages and looks at them.

    Args:
        browser: With logs.
        folder: For the pages' files.
    """

    def __init__(self, browser: Browser, folder: Path) -> None:
        self.browser = browser
        self.driver = browser.driver
        self.folder = folder

    def open(self, page: bytes, fragment: str = "", width: int = 1300, height: int = 1000) -> None:
        """Writes a page and loads it from the disk."""
        path = self.folder / "page.html"
        path.write_bytes(page)
        self.size(width, height)
        self.browser.open(path.as_uri() + fragment)
        self.browser.wait_for("page that is drawn", lambda: self.ask("document.documentElement.dataset.ready"))

    def size(self, width: int, height: int, mobile: bool = False) -> None:
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def cdp(self, command: str, **arguments: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, arguments)

    def ask(self, expression: str) -> Any:
        return self.driver.execute_script(f"return {expression};")

    def text(self, selector: str) -> str:
        return str(self.ask(f"document.querySelector({json.dumps(selector)}).textContent"))

    def settle(self) -> None:
        """Waits until all that was asked for is drawn."""
        self.driver.execute_async_script(
            """const done = arguments[0];
            const look = () => document.querySelector('[aria-busy]') ? setTimeout(look, 5)
              : requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0)));
            look();"""
        )

    def choose(self, name: str) -> None:
        """Clicks a layer in the table."""
        rows = "[...document.querySelectorAll('#layers [data-parameter]')]"
        assert self.ask(f"{rows}.some(row => row.dataset.parameter === {json.dumps(name)})"), name
        self.ask(f"{rows}.find(row => row.dataset.parameter === {json.dumps(name)}).click()")
        self.browser.wait_for(f"layer {name}", lambda: self.text("#which h2") == name)
        self.settle()

    def press(self, label: str) -> None:
        """Clicks a button of the controls."""
        buttons = "[...document.querySelectorAll('#controls button')]"
        self.ask(f"{buttons}.find(one => one.textContent === {json.dumps(label)}).click()")
        self.browser.wait_for(
            label, lambda: self.ask(f"{buttons}.some(one => one.textContent === {json.dumps(label)} && "
                                    "one.getAttribute('aria-pressed') === 'true')")
        )  # fmt: skip
        self.settle()

    def at(self, frame: int) -> None:
        """Moves the slider."""
        self.ask(
            f"(time => {{ time.value = {frame}; time.dispatchEvent(new Event('input', {{bubbles: true}})); }})"
            "(document.querySelector('#time'))"
        )
        self.settle()

    def point(self, across: float, down: float, selector: str = "#map") -> Reading:
        """Moves the pointer over the map, to a place in shares of its box, and reads what is said."""
        box = self.box(selector)
        x, y = box["x"] + across * box["width"], box["y"] + down * box["height"]
        self.cdp("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.settle()
        return self.reading()

    def tile(self, across: float, down: float) -> Reading:
        """The same of tiles: a little further on where the pointer is between two."""
        before = self.reading().where
        for further in (0.0, 0.007, 0.014):
            reading = self.point(across + further, down + further)
            if reading.where != before:
                break
        return reading

    def box(self, selector: str) -> dict[str, float]:
        """Where an element lies in the window, after it was scrolled into it."""
        element = f"document.querySelector({json.dumps(selector)})"
        self.ask(f"{element}.scrollIntoView({{block: 'center'}})")
        box: dict[str, float] = self.ask(f"{element}.getBoundingClientRect().toJSON()")
        return box

    def reading(self) -> Reading:
        """What `#value` says."""
        values = self.ask("[...document.querySelectorAll('#value > .reading b')].map(one => one.textContent)")
        where = self.ask("document.querySelector('#value .where')?.textContent ?? ''")
        return Reading(where, tuple(map(number_of, values)), self.text("#value"))

    def key(self, name: str, code: int = 0) -> None:
        """Presses a key."""
        text = name if len(name) == 1 else ""
        self.cdp("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", key=name, text=text,
                 windowsVirtualKeyCode=code)  # fmt: skip
        self.cdp("Input.dispatchKeyEvent", type="keyUp", key=name, windowsVirtualKeyCode=code)
        self.settle()

    def console(self) -> list[str]:
        """What the console got since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """What was asked for since the last call."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [
            message["params"]["request"]["url"] for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]  # fmt: skip


def silent_reader(reader: Reader) -> Iterator[Reader]:
    """For a fixture: whatever a test does, the console stays empty and nothing is asked for but the page itself."""
    # Away from the browser's own first page.
    reader.driver.get("about:blank")
    reader.console()
    reader.requests()
    yield reader
    assert (said := reader.console()) == [], said
    other = [url for url in reader.requests() if not url.startswith(("about:", reader.folder.as_uri()))]
    assert other == [], other
