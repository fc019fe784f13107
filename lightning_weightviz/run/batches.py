"""Counts the batches of one of Keras' fits, whose callbacks are told the number in the epoch alone."""

from __future__ import annotations


class Batches:
    """Where a fit is.

    Attributes:
        epoch: The one that has begun last, from 0.
        ended: Batches that have ended, of all epochs of this fit.

    Example:
        >>> batches = Batches()
        >>> batches.begin_epoch(0)
        >>> for number in (0, 4, 8):  # four at a time
        ...     batches.begin(number)
        >>> batches.ended
        8
        >>> batches.end_epoch(at_once=4, most=10)
        >>> batches.ended
        10
        >>> batches.last(epochs=3, of_each=10)
        30
    """

    def __init__(self) -> None:
        self.epoch = self.ended = 0
        self._before_epoch = self._number = 0

    def begin_epoch(self, epoch: int) -> None:
        """An epoch begins."""
        self.epoch, self._before_epoch = epoch, self.ended

    def begin(self, number: int) -> None:
        """A batch begins, and so the one before has ended."""
        self._number = number
        self.ended = self._before_epoch + number

    def end_epoch(self, at_once: int, most: int | None) -> None:
        """The last one of an epoch has ended.

        Args:
            at_once: How many batches begin at a time; the last time there may be fewer.
            most: Batches of an epoch; None where that is not known.
        """
        seen = self._number + at_once
        self.ended = self._before_epoch + min(seen, most or seen)

    def last(self, epochs: int | None, of_each: int | None) -> int | None:
        """How many there will be when the fit ends; None where one of these is not known.

        Args:
            epochs: After which the fit ends, of all fits.
            of_each: Batches of an epoch.
        """
        if epochs is None or of_each is None:
            return None
        return self._before_epoch + (epochs - self.epoch) * of_each
