"""docs/findings.md is made of the rules' own words, and every rule has all of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.make_findings import SHOWN, page
from lightning_weightviz.findings import RULES

DOCS = Path(__file__).parent.parent.parent / "docs"
OWN = [name for name, rule in RULES.items() if rule.look.__module__.startswith("lightning_weightviz.findings")]


def test_the_page_is_up_to_date() -> None:
    assert (DOCS / "findings.md").read_text() == page(), "run python -m docs.make_findings"


def test_the_page_has_every_rule() -> None:
    assert set(OWN) == set(SHOWN)


@pytest.mark.parametrize("name", OWN)
def test_every_rule_says_all_of_itself(name: str) -> None:
    rule = RULES[name]
    for words in (rule.what, rule.source, rule.cause, rule.advice, *rule.false_alarms):
        assert words.endswith((".", "`.", ")")) and len(words) > 20, words
    assert rule.false_alarms
    assert all(bound.what for bound in rule.bounds.values())
    # An end that comes no sooner than the beginning.
    assert all(bound.clears > 0 for bound in rule.bounds.values())


def test_every_picture_is_of_a_rule() -> None:
    drawn = {path.stem for path in (DOCS / "images" / "findings").glob("*.png")}
    assert drawn == {name for name, shown in SHOWN.items() if shown is not None}
