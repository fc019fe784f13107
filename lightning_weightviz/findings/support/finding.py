"""What is found, as users get it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The gravest first. An error ruins the run; a warning is to be looked at; a note may be intended."""


class WeightAlert(RuntimeError):  # noqa: N818  # what is wrong is the weights, not the program
    """Raised with ``on_alert="raise"``: something is wrong with the weights."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or may be.

    Attributes:
        rule: Name of the rule.
        severity: ``"error"``, ``"warning"`` or ``"note"``.
        parameter: Name of the parameter; empty where it is the whole model.
        unit: The row, channel, head or class, by its name; None where it is the whole parameter.
        epoch: Since when: epochs finished at that snapshot.
        step: The same on the loggers' axis.
        message: What is wrong, one sentence with numbers.
        cause: What it likely comes from.
        advice: What to try, or to look at.
        source: Of the threshold.
        timeless: Whether it is of a file, so that there is no time to tell.
    """

    rule: str
    severity: Severity
    parameter: str
    unit: str | None
    epoch: int
    step: int
    message: str
    cause: str = ""
    advice: str = ""
    source: str = ""
    timeless: bool = False

    @property
    def sentence(self) -> str:
        """The message, by which rule and since when.

        >>> Finding("nan", "error", "fc.weight", None, 2, 90, "fc.weight: 3 of 32 values are NaN").sentence
        "fc.weight: 3 of 32 values are NaN (alert 'nan', epoch 2, step 90)"
        """
        when = "" if self.timeless else f", epoch {self.epoch}, step {self.step}"
        return f"{self.message} (alert {self.rule!r}{when})"

    @property
    def headline(self) -> str:
        """The message by itself, which begins with a capital letter or with a name.

        >>> Finding("jump", "warning", "", None, 9, 512, "3 matrices have jumped").headline
        '3 matrices have jumped'
        >>> Finding("bad_start", "warning", "", None, 0, 0, "the product is small").headline
        'The product is small'
        """
        named = self.parameter != "" and self.message.startswith(self.parameter)
        return self.message if named else self.message[:1].upper() + self.message[1:]

    @property
    def gravity(self) -> int:
        """0 for an error, 1 for a warning, 2 for a note."""
        return SEVERITIES.index(self.severity)
