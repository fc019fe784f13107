"""The page's style and script, each as one text: a page from the disk cannot load another file."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([\w-]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const|let)\b)", re.MULTILINE)

FIRST = "main"
"""The module that imports all others."""
_FOLDER = Path(__file__).parent


def _read(*path: str) -> str:
    return _FOLDER.joinpath(*path).read_text("utf-8")


def skeleton() -> str:
    """The page without style, script and data."""
    return _read("page.html")


@lru_cache(maxsize=1)
def style() -> str:
    """All rules: uPlot's, then ours."""
    ours = sorted(path.name for path in (_FOLDER / "style").glob("*.css"))
    return "\n".join([_read("vendor", "uPlot.min.css"), *(_read("style", name) for name in ours)])


@lru_cache(maxsize=1)
def script() -> str:
    """UPlot, then our modules as one function, each behind those that it imports."""
    modules: dict[str, str] = {}
    _collect(FIRST, modules)
    ours = "\n".join(modules.values())
    return f'{_read("vendor", "uPlot.iife.min.js")}\n(() => {{\n"use strict";\n{ours}}})();\n'


def _collect(name: str, modules: dict[str, str]) -> None:
    """Puts a module behind those that it imports; no two import each other."""
    source = _read("script", f"{name}.js")
    for imported in _IMPORT.findall(source):
        if imported not in modules:
            _collect(imported, modules)
    modules[name] = _EXPORT.sub("", _IMPORT.sub("", source))
