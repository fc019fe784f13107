"""Trains the demo, opens its page in Chromium and writes what it shows to docs/images/.

python -m docs.make_page_images
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.support.browser import chromium

DOCS = Path(__file__).resolve().parent
DEMO = DOCS.parent / "examples" / "digits.py"
SHOWN = {"page.png": (1300, 1150, "light"), "page-dark.png": (768, 1150, "dark"), "page-phone.png": (360, 800, "light")}
"""File: width and height in pixels, and what the reader's system prefers."""


def main() -> None:
    """Writes all pictures."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, DEMO, "--out", folder], check=True)
        [page] = Path(folder).glob("digits-good/version_*/weightviz/report.html")
        for name, (width, height, scheme) in SHOWN.items():
            with chromium(Path(folder, name)) as browser:
                size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
                browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
                preference = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
                browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", preference)
                browser.driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
                browser.open(page.as_uri())
                browser.wait_for("layer", lambda: browser.each("#layers [data-parameter]", "element.dataset.parameter"))
                # Maps are unpacked behind the layers.
                time.sleep(2)
                browser.screenshot(DOCS / "images" / name)


if __name__ == "__main__":
    main()
