"""Trains the demo, opens its page in Chromium and writes what it shows to docs/images/.

python -m docs.make_page_images
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.browser import Browser, chromium

DOCS = Path(__file__).resolve().parent
DEMO = DOCS.parent / "examples" / "digits.py"
SHOWN = {
    "page.png": (1300, 1150, "light"),
    "page-dark.png": (768, 1150, "dark"),
    "page-phone.png": (360, 800, "light"),
    "page-runs.png": (1300, 1500, "light"),
    "page-runs-dark.png": (768, 800, "dark"),
    "page-runs-phone.png": (360, 800, "light"),
}
"""File: width and height in pixels, and what the reader's system prefers."""
SECOND = "runs"
"""In the names of those that show a second run, of the recipe ``article``."""


def main() -> None:
    """Writes all pictures."""
    with tempfile.TemporaryDirectory() as folder:
        for recipe in ("good", "article"):
            subprocess.run([sys.executable, DEMO, "--recipe", recipe, "--out", folder], check=True)
        [page] = Path(folder).glob("digits-good/version_*/weightviz/report.html")
        [second] = Path(folder).glob("digits-article/version_*/weightviz/report.html")
        for name, (width, height, scheme) in SHOWN.items():
            with chromium(Path(folder, name)) as browser:
                size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
                browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
                preference = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
                browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", preference)
                browser.driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
                browser.open(page.as_uri())
                browser.wait_for("layer", lambda: browser.each("#layers [data-parameter]", "element.dataset.parameter"))
                if SECOND in name:
                    browser.driver.find_element("css selector", "#runs input").send_keys(str(second))
                    browser.wait_for("second run", lambda: browser.each("#numbers button", "element.textContent"))
                    _look_at_both(browser, width, scheme == "dark")
                # Maps are unpacked behind the layers.
                time.sleep(2)
                browser.screenshot(DOCS / "images" / name)


def _look_at_both(browser: Browser, width: int, differ: bool) -> None:
    """Shows the classes of two runs at the end; in a narrow window, their table."""
    numbers = "difference" if differ else "both"
    run = browser.driver.execute_script
    run(f"location.hash = '#layer=fc3.weight&frame=99&numbers={numbers}'")
    # The page reads its address in its own time; a click before that would write another.
    pressed = "return document.querySelector('#numbers [aria-pressed=true]').textContent"
    browser.wait_for(numbers, lambda: run(pressed) == numbers)
    if differ:
        run("document.querySelector('.head [data-column=rms]').click()")
    run("document.querySelector(arguments[0]).scrollIntoView()", "header" if width > 1000 else "#model")


if __name__ == "__main__":
    main()
