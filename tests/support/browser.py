"""Chromium without a window, driven over its own protocol, and a look through TensorBoard's nested shadow roots."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
CHROMEDRIVER = shutil.which("chromedriver")

WAIT_SECONDS = 60.0

_FIND_ALL = """
function findAll(root, selector) {
  let found = [...root.querySelectorAll(selector)];
  for (const element of root.querySelectorAll('*'))
    if (element.shadowRoot) found = found.concat(findAll(element.shadowRoot, selector));
  return found;
}
"""


class Browser:
    """A page, asked by JavaScript.

    Args:
        driver: Selenium's, of the page.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        """Loads a page anew, also where only what is behind the # differs."""
        self.driver.get("about:blank")
        self.driver.get(url)

    def each(self, selector: str, expression: str) -> list[Any]:
        """The value of a JavaScript expression in ``element`` for each element, in any shadow root, in order.

        None where the expression fails, as it does where a part of the element is not drawn yet.
        """
        value = f"(element) => {{ try {{ return {expression}; }} catch {{ return null; }} }}"
        script = f"{_FIND_ALL} return findAll(document, arguments[0]).map({value});"
        return list(self.driver.execute_script(script, selector))

    def wait_for(self, what: str, found: Callable[[], Any]) -> Any:
        """Waits until `found` gives what is true, and gives it; says what was waited for where it does not come."""
        end = time.monotonic() + WAIT_SECONDS
        while not (result := found()):
            assert time.monotonic() < end, f"no {what} on {self.driver.current_url} after {WAIT_SECONDS:.0f} s"
            time.sleep(0.2)
        return result

    def screenshot(self, path: Path) -> None:
        """Writes what the window shows as PNG."""
        assert self.driver.save_screenshot(str(path))


@contextmanager
def chromium(profile: Path, width: int = 1400, height: int = 1400, logs: bool = False) -> Iterator[Browser]:
    """Runs Chromium with a new profile until the block ends.

    Args:
        profile: An empty folder.
        width: Of the window in pixels.
        height: Of the window in pixels.
        logs: Whether ``driver.get_log`` has every message of the console and everything that was asked for.
    """
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        f"--window-size={width},{height}",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(flag)
    if logs:
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options, Service(executable_path=CHROMEDRIVER))
    try:
        driver.set_page_load_timeout(WAIT_SECONDS)
        driver.set_script_timeout(WAIT_SECONDS)
        yield Browser(driver)
    finally:
        driver.quit()
