"""Findings in words: warnings, text and summary, each in one line whatever a parameter is called."""

from __future__ import annotations

import warnings

import pytest

from lightning_weightviz.findings.support.engine import Engine, Judged
from lightning_weightviz.findings.support.finding import Finding
from lightning_weightviz.findings.support.telling import MOST_AT_ONCE, MOST_LINES, MOST_LISTED, summary, tell, text
from tests.findings.runs import Made, matrix


def finding(name: str = "a", severity: str = "warning", rule: str = "growth", step: int = 10) -> Finding:
    return Finding(rule, severity, name, None, 1, step, f"{name} has grown", "Why.", "What.", "Whence.")  # type: ignore[arg-type]


def told(judged: Judged) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tell(judged)
    return [str(one.message) for one in caught]


def test_what_begins_and_what_ends_is_told_and_notes_are_not() -> None:
    judged = Judged((finding("a"), finding("n", "note")), (finding("b"), finding("m", "note")))
    assert told(judged) == [finding("a").sentence, f"now resolved: {finding('b').sentence}"]
    assert told(Judged()) == []


def test_many_at_once_are_told_in_few_warnings() -> None:
    many = tuple(finding(f"p{number}", "error", "nan") for number in range(600))
    said = told(Judged(begun=(*many, finding())))
    assert said[:MOST_AT_ONCE] == [one.sentence for one in many[:MOST_AT_ONCE]]
    assert said[MOST_AT_ONCE:] == ["the same holds for 596 more parameters or units (alert 'nan')", finding().sentence]


@pytest.mark.parametrize("count", [0, 1, MOST_LINES - 1, MOST_LINES, 600])
def test_the_summary_has_at_most_twelve_lines_and_counts_all(count: int) -> None:
    lines = summary([finding(f"p{number}") for number in range(count)], 20).splitlines()
    assert len(lines) <= MOST_LINES
    if not count:
        assert lines == ["weightviz: nothing wrong was found in 20 snapshots"]
        return
    assert lines[0] == f"weightviz: {count} finding{'s' * (count > 1)} in 20 snapshots"
    listed = sum(line.startswith("  warning: ") for line in lines)
    more = lines[-1].split()[1] if listed < count else "0"
    assert listed + int(more) == count


def test_the_summary_begins_with_the_gravest() -> None:
    some = [finding("a", "note"), finding("b", step=30), finding("c", "error"), finding("d", step=20)]
    assert [line.split()[1] for line in summary(some, 3).splitlines()[1:]] == ["c", "d", "b", "a"]


def test_the_text_says_all_of_a_finding_and_whether_it_is_over() -> None:
    now, over = finding("a"), finding("b", "error")
    found = text(Judged(begun=(now, finding("n", "note")), open=(now,), snapshots=7), [over, now])
    first, second, third = found.text.split("\n\n")
    assert first == "2 findings in 7 snapshots."
    assert second.startswith("**warning:** a has grown. Since epoch 1, step 10. *Likely cause:* Why. ")
    assert third.startswith("**error (no longer):** b has grown.")
    assert found.news == now.sentence and found.tag == "findings/weights"
    assert text(Judged(snapshots=1), []).text == "Nothing wrong was found in 1 snapshot."


def test_the_text_is_bounded_and_names_are_no_markup() -> None:
    many = [finding(f"p{number}") for number in range(MOST_LISTED + 7)]
    assert text(Judged(), many).text.endswith("And 7 more.")
    assert r"\*\<b>\`x\`" in text(Judged(), [finding("*<b>`x`")]).text


def test_odd_names_stay_on_one_line() -> None:
    engine = Engine()
    Made([matrix("new\nline\x1b[31m"), matrix("b")]).set("new\nline\x1b[31m", nan_count=2.0).judge(engine)
    [one] = engine.found
    assert one.parameter == "new\nline\x1b[31m"
    assert one.sentence == "new line [31m: 2 of 4096 values are NaN (alert 'nan', epoch 0, step 0)"
