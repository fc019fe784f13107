"""Writes docs/findings.md from the rules' own words, and with --pictures an overview of a run that has each.

python -m docs.make_findings
python -m docs.make_findings --pictures   # trains the benchmark's faults, some minutes on one core
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from benchmarks.trainings.faults import FAULTS
from benchmarks.trainings.training import train
from lightning_weightviz.artifacts import Batch, Image
from lightning_weightviz.findings import RULES, Bound, Rule

DOCS = Path(__file__).parent
PICTURES = DOCS / "images" / "findings"
SHOWN = {
    "nan": ("a weight becomes NaN", 0),
    "zero": None,
    "inf": None,
    "dead_units": ("dead filters", 1),
    "classes_alike": ("labels of 3 and 8 mixed", 0),
    "missing_class": ("no 7 in the data", 0),
    "class_apart": ("one class 50 times as frequent", 0),
    "sorted_classes": ("sorted by class, not shuffled", 0),
    "not_moving": ("a layer stops in mid-run", 1),
    "all_stopped": ("the schedule ends at half time", 0),
    "in_no_optimizer": ("a layer is in no optimizer", 0),
    "swallowed": ("steps too small for bfloat16", 0),
    "growth": ("one layer grows", 0),
    "collapse": ("weight decay 0.3", 0),
    "jump": ("a layer is started anew", 0),
    "in_the_noise": ("learning rate 1e-7", 0),
    "rank_collapse": ("inputs with a mean of 20", 1),
    "bad_start": ("weights from N(0, 0.01)", 0),
    "equal_units": ("a layer starts as one number", 0),
    "large_steps": None,
    "small_steps": ("learning rate 1e-7", 1),
    "unmoved_units": ("units that never fire", 0),
    "dead_channels": ("dead channels of batch norm", 0),
}
"""Of each rule the fault that has a picture, and on which of its networks; None: no picture."""
CLASSES = ("classes_alike", "missing_class", "class_apart", "sorted_classes")
"""Rules whose picture is of the classes."""

HEAD = """# Findings

What the package says of a run by itself: what is wrong, where, since when, what it may come from and what to try. This
page is made of the rules' own words by `python -m docs.make_findings`.

A finding begins when its condition has held for some snapshots (*patience*), not before there are enough to judge by
(*warm-up*), and ends where a weaker threshold no longer holds (in brackets). There is a warning when it begins and one
when it ends (a `jump` or a `class_apart` only begins), and none again before it has been clear for 9 snapshots. A
**note** may be intended: it is listed and never warned of. An **error** ruins the run. `callback.findings` has them
all, also those from before a resume; they are in the logger as text under `findings/weights`, counted in
`alerts/<rule>`, and printed at the end of fit in at most twelve lines.

`alerts=` leaves rules out or changes their thresholds: `alerts={"growth": {"factor": 50}, "not_moving": None}`.

Two statistics that rules need are measured only if they are among `statistics`, as they are by default. Without
`stable_rank`, `in_the_noise` and `rank_collapse` say nothing. Without `update_ratio`, which neither Keras nor files
tell, `large_steps` and `small_steps` say nothing, and `swallowed` judges by the change since the last snapshot instead
of that of a step. All other rules judge whatever is logged.

"Our own runs" are those of `benchmarks/findings.py`: 52 runs with a planted fault and 73 healthy ones, whose results
are in [benchmarks/results/findings.txt](../benchmarks/results/findings.txt). Each was run with two sets of seeds; those
"from 2000 on" were run when all thresholds were set. *ok* is a fault that was named within three snapshots of the first
that showed it, or of the fifth. They are small networks on small images: on yours a threshold may be wrong.

| rule | severity | when |
| --- | --- | --- |
"""


def page() -> str:
    """The whole page."""
    rows = [f"| [`{name}`](#{name}) | {rule.severity} | {rule.what} |" for name, rule in _own().items()]
    return HEAD + "\n".join([*rows, "", *(_section(name, rule) for name, rule in _own().items())])


def _own() -> dict[str, Rule]:
    """The package's rules: others may have been added beside them."""
    return {name: rule for name, rule in RULES.items() if name in SHOWN}


def _section(name: str, rule: Rule) -> str:
    snapshots = f"patience {rule.patience}, warm-up {rule.warmup}"
    parts = [f"## {name}", f"**{rule.severity.capitalize()}.** {rule.what} ({snapshots}.)"]
    if rule.bounds:
        parts.append("\n".join(_bound(key, bound) for key, bound in rule.bounds.items()))
    parts += [f"*Source:* {rule.source}", f"*Likely causes:* {rule.cause}", f"*What to try:* {rule.advice}"]
    parts.append(
        "*Known false alarms, and what is left alone:*\n\n" + "\n".join(f"- {one}" for one in rule.false_alarms)
    )
    if (shown := SHOWN[name]) is not None:
        parts.append(f"![A run that has it: {shown[0]}](images/findings/{name}.png)")
    return "\n\n".join(parts) + "\n"


def _bound(name: str, bound: Bound) -> str:
    return f"- `{name}` {bound.fires:g} (ends at {bound.clears:g}): {bound.what}"


class _Kept:
    """Keeps the newest picture of each tag."""

    def __init__(self) -> None:
        self.pictures: dict[str, bytes] = {}

    def write(self, batch: Batch) -> None:
        """Takes a snapshot's."""
        self.pictures |= {one.tag: one.png for one in batch.artifacts if isinstance(one, Image)}

    def flush(self) -> None:
        """Nothing waits."""


def draw() -> None:
    """Trains a fault for each rule, and keeps the overview or the classes as they were at the end."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, shown in SHOWN.items():
        if shown is None:
            continue
        fault, seed = shown
        torch.manual_seed(seed)
        kept: Any = _Kept()
        train(FAULTS[fault].builds[seed](), sink=kept, views=("classes", "overview"))
        tag = "classes/over_time" if name in ("class_apart", "missing_class") else "classes/cosine"
        content = kept.pictures[tag if name in CLASSES else "overview/weights"]
        (PICTURES / f"{name}.png").write_bytes(content)


def main() -> None:
    """Writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", action="store_true", help="draw the pictures too")
    if parser.parse_args().pictures:
        draw()
    (DOCS / "findings.md").write_text(page())


if __name__ == "__main__":
    main()
