"""The page's script: its modules by themselves, and as they are joined."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from lightning_weightviz.page.bundle import script, style

FOLDER = Path(__file__).parents[2] / "lightning_weightviz" / "page"
MODULES = sorted((FOLDER / "script").glob("*.js"))
_TOP = re.compile(r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)
_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([\w-]+)\.js";$', re.MULTILINE)


def tsc() -> str | None:
    """TypeScript's compiler: on the PATH, or where npx has it at hand."""
    return shutil.which("tsc")


@pytest.mark.skipif(not (shutil.which("node") and tsc()), reason="needs node and tsc (npm install -g typescript)")
def test_types(tmp_path: Path) -> None:
    options = {
        "checkJs": True, "strict": True, "noEmit": True, "target": "es2022", "module": "es2022", "types": [],
        "lib": ["es2023", "dom", "dom.iterable"], "noUnusedLocals": True, "noUnusedParameters": True,
    }  # fmt: skip
    config = tmp_path / "tsconfig.json"
    config.write_text(json.dumps({"compilerOptions": options, "include": [f"{FOLDER}/script/*"]}))
    done = subprocess.run([str(tsc()), "-p", str(config)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_joined_script_is_a_script(tmp_path: Path) -> None:
    path = tmp_path / "bundle.js"
    path.write_text(script())
    done = subprocess.run(["node", "--check", str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_names_are_unique_over_all_modules() -> None:
    names = [name for path in MODULES for name in _TOP.findall(path.read_text())]
    assert len(names) > 50 and sorted(set(names)) == sorted(names)


def test_imports_are_of_one_form_and_form_no_circle() -> None:
    graph = {}
    for path in MODULES:
        source = path.read_text()
        found = _IMPORT.findall(source)
        assert len(found) == len(re.findall(r"^import\b", source, re.MULTILINE)), path
        for names, module in found:
            exported = re.findall(
                r"^export (?:async )?(?:function|class|const|let) (\w+)",
                (FOLDER / "script" / f"{module}.js").read_text(), re.MULTILINE,
            )  # fmt: skip
            assert {name.strip() for name in names.split(",") if name.strip()} <= set(exported), (path, module)
        graph[path.stem] = {module for _, module in found}
    order = list(TopologicalSorter(graph).static_order())
    assert order[-1] == "main" and set(order) == {path.stem for path in MODULES}


def test_joined_script_has_all_modules_and_nothing_of_their_joints() -> None:
    text = script()
    for path in MODULES:
        assert path.read_text().splitlines()[0] in text, path
    ours = text[text.index('"use strict";\n//') :]
    assert not re.search(r"^(import|export)\b", ours, re.MULTILINE)
    assert "</" not in re.sub(r"(?s)/\*.*?\*/", "", ours).lower().replace("</b", "") and "<!--" not in text
    assert "</style" not in style().lower()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_nothing_becomes_markup(path: Path) -> None:
    source = path.read_text()
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "fetch("):
        assert word not in source
    assert len(source.splitlines()) <= 320, "one concern a file"
