from __future__ import annotations

import pytest

from lightning_weightviz.draw.page import CONTENT
from lightning_weightviz.draw.text import BODY, broken, broken_short, fit, text_width
from tests.draw.test_page import NAMES


@pytest.mark.parametrize("name", NAMES)
def test_broken_loses_no_character(name: str) -> None:
    lines = broken(name, CONTENT, BODY, bold=True, behind="./_")
    assert "".join(lines) == name
    assert all(0 < text_width(line, BODY, bold=True) <= CONTENT for line in lines)


def test_broken_between_words() -> None:
    text = "each cell: largest of up to 1×4 weights"
    lines = broken(text, 200)
    assert len(lines) > 1
    assert " ".join(lines) == text


def test_a_number_is_not_broken() -> None:
    for width in range(80, 300, 7):
        assert "−2.83" in " ".join(broken("each colour is dark at −2.83 and bright at +2.83", width))


@pytest.mark.parametrize("text", ["", "a", "a" * 50])
def test_broken_where_nothing_fits_ends(text: str) -> None:
    assert "".join(broken(text, 1)) == text


def test_fit() -> None:
    assert fit("short", 200) == "short"
    shortened = fit("a" * 60 + "z", 200)
    assert shortened.startswith("aa") and shortened.endswith("z") and "…" in shortened
    assert text_width(shortened) <= 200


@pytest.mark.parametrize("length", [10, 40, 400, 900])
def test_fit_keeps_as_much_as_it_can(length: int) -> None:
    name = "".join(chr(97 + index * 7 % 26) for index in range(length))
    kept = len(fit(name, 200)) - 1
    if kept + 1 < length:
        longer = f"{name[: (kept + 2) // 2]}…{name[len(name) - (kept + 1) // 2 :]}"
        assert text_width(longer) > 200


def test_of_many_lines_the_first_and_the_last_stay() -> None:
    lines = broken_short("word " * 500 + "end", 200, most=4)
    assert len(lines) == 4 and lines[0].startswith("word") and lines[-1].startswith("…") and lines[-1].endswith("end")
    assert all(text_width(line) <= 200 for line in lines)
    assert broken_short("a few words", 300) == ["a few words"]
