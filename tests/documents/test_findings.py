"""docs/findings.md is made of the rules' own words, and every rule has all of them."""

from __future__ import annotations

import inspect
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from docs.make_findings import HEAD, SHOWN, page
from lightning_weightviz.findings import RULES
from lightning_weightviz.measure import Meter
from lightning_weightviz.memory import MEASURED
from lightning_weightviz.model.selection import select
from lightning_weightviz.model.values import value_of

DOCS = Path(__file__).parent.parent.parent / "docs"
OWN = [name for name, rule in RULES.items() if rule.look.__module__.startswith("lightning_weightviz.findings")]


def test_the_page_is_up_to_date() -> None:
    assert (DOCS / "findings.md").read_text() == page(), "run python -m docs.make_findings"


def test_the_page_has_every_rule() -> None:
    assert set(OWN) == set(SHOWN)


def test_rules_that_need_what_may_not_be_measured_are_told() -> None:
    torch.manual_seed(0)
    sites = select(nn.Linear(32, 16)).sites
    meter = Meter([site.parameter for site in sites], statistics=())
    for _ in range(2):
        measured = meter.measure([value_of(site.place) for site in sites]).result().measurements["weight"]
    missing = {name for name in MEASURED if math.isnan(measured.statistics[name])}
    assert missing == {"stable_rank", "update_ratio"}
    [paragraph] = [one for one in HEAD.split("\n\n") if one.startswith("Two statistics that rules need")]
    sources = {name: inspect.getsource(RULES[name].look).replace("usual_step", "update_ratio") for name in OWN}
    needing = {name for name, source in sources.items() if any(one in source for one in missing)}
    assert {name for name in OWN if f"`{name}`" in paragraph} == needing


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
