"""Members by name: none replaced in silence, all of a folder found, none imported twice."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lightning_weightviz.registry import Registry

NUMBERS = itertools.count()
MEMBER = """
from {package} import COLOURS

COLOURS.add({name!r}, {value}, lambda: None)
"""


def crimson() -> None: ...


def scarlet() -> None: ...


Make = Callable[..., "Registry[int]"]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    """Writes a package with a registry, and files by name; gives the registry."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)

    def write(**files: str) -> Registry[int]:
        package = f"colours_{next(NUMBERS)}"
        folder = tmp_path / package
        folder.mkdir()
        (folder / "__init__.py").write_text(
            "from lightning_weightviz.registry import Registry\nIMPORTED = []\nCOLOURS = Registry('colour', __name__)\n"
        )
        for name, source in files.items():
            path = folder / f"{name}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(source.replace("PACKAGE", package))
        module = __import__(package)
        registry: Registry[int] = module.COLOURS
        return registry

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("colours_"):
            del sys.modules[name]


def member(name: str, value: int) -> str:
    return MEMBER.format(package="PACKAGE", name=name, value=value)


def test_a_second_of_one_name_is_refused_with_both_origins_in_view() -> None:
    colours = Registry[int]("colour")
    colours.add("red", 1, crimson)
    with pytest.raises(ValueError, match=r"a colour called 'red' already, made by tests\.test_registry\.crimson"):
        colours.add("red", 2, scarlet)
    assert dict(colours) == {"red": 1}


def test_the_same_origin_may_come_again_and_the_later_counts() -> None:
    colours = Registry[int]("colour")
    colours.add("red", 1, crimson)
    colours.add("blue", 2, scarlet)
    colours.add("red", 3, crimson)
    assert list(colours.items()) == [("red", 3), ("blue", 2)]


def test_one_origin_may_have_several_names() -> None:
    colours = Registry[int]("colour")
    colours.add("red", 1, crimson)
    colours.add("dark red", 1, crimson)
    assert list(colours) == ["red", "dark red"]


@pytest.mark.parametrize("read", [dict, len, list, lambda colours: colours["red"], lambda colours: "red" in colours])
def test_any_reading_discovers_the_files_of_the_package(make: Make, read: Callable[[Registry[int]], object]) -> None:
    colours = make(red=member("red", 1), blue=member("blue", 2))
    assert not [name for name in sys.modules if name.startswith("colours_") and "." in name]
    assert read(colours)
    assert dict(colours) == {"blue": 2, "red": 1}


def test_folders_are_found_and_support_is_left_out(make: Make) -> None:
    colours = make(
        **{
            "warm/__init__": member("red", 1),
            "support/__init__": "raise RuntimeError('a helper is no member')",
            "support/mixing": "raise RuntimeError('a helper is no member')",
        }
    )
    assert dict(colours) == {"red": 1}


def test_a_file_is_imported_once(make: Make) -> None:
    colours = make(red="from PACKAGE import IMPORTED\nIMPORTED.append(1)\n" + member("red", 1))
    for _ in range(3):
        assert len(colours) == 1
    (package,) = {name for name in sys.modules if name.startswith("colours_") and "." not in name}
    assert sys.modules[package].IMPORTED == [1]


def test_members_may_be_registered_before_and_after_discovery(make: Make) -> None:
    colours = make(red=member("red", 1))
    colours.add("early", 0, crimson)
    assert dict(colours) == {"early": 0, "red": 1}
    colours.add("late", 2, scarlet)
    assert dict(colours) == {"early": 0, "red": 1, "late": 2}


@pytest.mark.parametrize("error", ["import no_such_module", "raise RuntimeError('torn')"])
def test_a_file_that_cannot_be_imported_is_not_swallowed(make: Make, error: str) -> None:
    colours = make(red=error)
    with pytest.raises((ModuleNotFoundError, RuntimeError), match=r"no_such_module|torn"):
        len(colours)


def test_a_file_of_the_package_may_not_take_a_name_that_is_taken(make: Make) -> None:
    colours = make(red=member("red", 1))
    colours.add("red", 0, crimson)
    with pytest.raises(ValueError, match="a colour called 'red' already"):
        len(colours)
