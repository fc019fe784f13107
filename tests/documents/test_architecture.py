"""docs/architecture.md has every room with the rule that is held, and names no file that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.test_imports import ALLOWED, DOORS, FILES, FORBIDDEN, LIGHTNING, PACKAGE, ROOT

DOCUMENT = (ROOT / "docs" / "architecture.md").read_text()
# Files that the way of a snapshot names and that are still part of a neighbour.
COMING = {"memory/film.py", "memory/curves.py", "memory/maps.py"}


def _rooms() -> dict[str, list[str]]:
    """The cells behind each room of the map, by the room as it is written there: ``model/``, ``callback.py``."""
    [rows] = re.findall(r"^\| room \|.*\n\|[ |:-]+\|\n((?:\|.*\n)+)", DOCUMENT, re.MULTILINE)
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows.splitlines()]
    return {room.strip("`"): rest for room, *rest in cells}


ROOMS = _rooms()


def _name(room: str) -> str:
    return room.removesuffix("/").removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_is_in_the_map(path: Path) -> None:
    module = path.relative_to(ROOT / PACKAGE).as_posix()
    assert module in (*ROOMS, "__init__.py") or any(module.startswith(room) for room in ROOMS if room.endswith("/")), (
        f"{module} is in no room of the map"
    )


def test_every_room_is_there() -> None:
    for room in ROOMS:
        there = ROOT / PACKAGE / room
        assert there.is_dir() if room.endswith("/") else there.is_file(), room


def test_rules_are_those_that_are_held() -> None:
    assert {_name(room) for room in ROOMS} == ALLOWED.keys() | DOORS
    for room, (_, imports, _) in ROOMS.items():
        if imports == "every room":
            assert _name(room) in DOORS - ALLOWED.keys(), room
        else:
            assert set(re.findall("`([^`]+)`", imports)) == ALLOWED[_name(room)], room
            assert imports == "nothing" or ALLOWED[_name(room)], room


def test_packages_that_are_never_imported_are_those_that_are_held() -> None:
    written = {"Lightning": LIGHTNING, "torch": {"torch"}, "matplotlib": {"matplotlib"}, "PIL": {"PIL"}}
    for room, (_, _, never) in ROOMS.items():
        packages = {package for word in never.split(", ") if word for package in written[word]}
        assert packages == FORBIDDEN.get(_name(room), set()), room


def test_every_file_that_is_named_is_there() -> None:
    # Those that a recipe tells to make are not.
    named = set(re.findall(r"`([\w/]+\.py)`", DOCUMENT)) - {"views/gain.py", "sinks/board.py"}
    for name in named - COMING:
        assert (ROOT / PACKAGE / name).is_file() or (ROOT / name).is_file(), name
    assert named >= COMING
