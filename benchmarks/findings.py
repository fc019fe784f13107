"""Whether planted faults are found, and whether healthy runs are left in peace: a table.

python -m benchmarks.findings                     # all, some minutes on one core
python -m benchmarks.findings --faults --only NaN
python -m benchmarks.findings --out benchmarks/results
"""

from __future__ import annotations

import argparse
import pickle
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.trainings.faults import FAULTS, Fault, seeded
from benchmarks.trainings.healthy import HEALTHY
from benchmarks.trainings.training import train
from lightning_weightviz import Finding, visualizer
from lightning_weightviz.findings.support.engine import Engine, Judged

WITHIN = 3
"""Snapshots in which a fault is to be found, once there are enough to judge by."""
WARMUP = 5


@dataclass(frozen=True)
class Outcome:
    """What became of one run.

    Attributes:
        name: Of the fault or the healthy run.
        seed: Of its random numbers.
        findings: What was found.
        said: At how many epochs each was said.
        seconds: How long it took.
    """

    name: str
    seed: int
    findings: tuple[Finding, ...]
    said: tuple[int, ...]
    seconds: float


class _Watched(Engine):
    """Remembers when each finding was said, and what it was told from."""

    said: list[int] = []  # noqa: RUF012
    seen: list[Any] = []  # noqa: RUF012

    def judge(self, snapshot: Any, past: Any, pairs: Any = ()) -> Judged:
        """As an engine does."""
        judged = super().judge(snapshot, past, pairs)
        type(self).said += [snapshot.epoch] * len(judged.begun)
        type(self).seen.append((snapshot, past, pairs))
        for name, error in judged.errors.items():
            print(f"the rule {name!r} failed: {type(error).__name__}: {error}")
        return judged


def observe(name: str, seed: int, build: Any, kept: Path | None) -> Outcome:
    """Trains and judges; judges again what is kept of an earlier training."""
    file = None if kept is None else kept / f"{name} {seed}.pickle".replace("/", "_")
    began = time.perf_counter()
    _Watched.said, _Watched.seen = [], []
    if file is not None and file.is_file():
        engine = _Watched()
        for seen in pickle.loads(file.read_bytes()):
            engine.judge(*seen)
        findings = engine.found
    else:
        findings = train(seeded(build, seed))
        if file is not None:
            file.write_bytes(pickle.dumps(_Watched.seen))
    return Outcome(name, seed, findings, tuple(_Watched.said), time.perf_counter() - began)


def named(outcome: Outcome, fault: Fault, seed: int) -> tuple[Finding, int] | None:
    """The finding that names the fault rightly, and the epoch at which it was said."""
    for finding, said in zip(outcome.findings, outcome.said, strict=True):
        where = fault.where[seed] in finding.parameter
        unit = fault.unit is None or (finding.unit is not None and fault.unit in finding.unit)
        if finding.rule in fault.rules and where and unit:
            return finding, said
    return None


def row_of(outcome: Outcome, fault: Fault, seed: int) -> tuple[str, bool]:
    """A line of the table, and whether the fault was found in time."""
    found = named(outcome, fault, seed)
    others = sorted({one.rule for one in outcome.findings if one.severity != "note"} - fault.rules)
    also = f" · also: {', '.join(others)}" if others else ""
    if found is None:
        return f"{outcome.name:34} {seed}  NOT FOUND{also}", False
    finding, said = found
    # The first snapshot that shows it, or the first at which there are enough to judge by.
    in_time = said - max(0 if fault.since is None else fault.since + 1, WARMUP) < WITHIN
    words = f"{finding.rule:16} since {finding.epoch:2}, said at {said:2}  {finding.message}{also}"
    return f"{outcome.name:34} {seed}  {'ok  ' if in_time else 'late'} {words}", in_time


def faults(chosen: str, kept: Path | None, shift: int) -> Iterator[tuple[str, bool]]:
    """A line a planted fault."""
    for name, fault in FAULTS.items():
        if chosen.lower() in name.lower():
            for seed, build in enumerate(fault.builds):
                yield row_of(observe(name, seed + shift, build, kept), fault, seed)


def healthy(chosen: str, kept: Path | None, shift: int) -> Iterator[tuple[str, bool]]:
    """A line a healthy run: what was said of it, which should be nothing; notes are listed."""
    for seed, (name, build) in enumerate(HEALTHY.items()):
        if chosen.lower() in name.lower():
            outcome = observe(name, seed + shift, build, kept)
            loud = [one for one in outcome.findings if one.severity != "note"]
            notes = len(outcome.findings) - len(loud)
            said = "; ".join(one.sentence for one in loud) or "quiet"
            yield f"{name:34} {said}{f' ({notes} notes)' if notes else ''}", not loud


def main() -> None:
    """Runs what was asked for, and prints a line a run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faults", action="store_true", help="the planted faults alone")
    parser.add_argument("--healthy", action="store_true", help="the healthy runs alone")
    parser.add_argument("--only", default="", help="runs whose name holds this")
    parser.add_argument(
        "--shift", type=int, nargs="+", default=[0], help="added to all seeds: runs that no threshold has seen"
    )
    parser.add_argument("--keep", type=Path, help="a folder: what rules see is kept there, and judged again")
    parser.add_argument("--out", type=Path, help="a folder for findings.txt")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    setattr(visualizer, "Engine", _Watched)  # noqa: B010  # a name that the module does not export
    if arguments.keep is not None:
        arguments.keep.mkdir(parents=True, exist_ok=True)
    lines: list[str] = []
    for shift in arguments.shift:
        lines.append(f"# Seeds from {shift} on")
        for wanted, title, rows in (
            (not arguments.healthy, "planted faults found in time", faults),
            (not arguments.faults, "healthy runs without a warning", healthy),
        ):
            results = []
            for line, good in rows(arguments.only, arguments.keep, shift) if wanted else ():
                print(line, flush=True)
                lines.append(line)
                results.append(good)
            if wanted:
                lines += [f"{title}: {sum(results)} of {len(results)}", ""]
                print(lines[-2], flush=True)
    if arguments.out is not None:
        (arguments.out / "findings.txt").write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    main()
