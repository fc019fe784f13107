"""The observer: what a model holds now, read and measured in one call, while layers come, go and change."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from torch import Tensor, nn

from lightning_weightviz.measure import Measured
from lightning_weightviz.model import sharding
from lightning_weightviz.model.class_head import HeadSite
from lightning_weightviz.model.class_names import check_class_names, fitting_names
from lightning_weightviz.model.evidence import Trace, trace
from lightning_weightviz.model.measuring import Measuring
from lightning_weightviz.model.reading import HeadReader, UnreadableError
from lightning_weightviz.model.selection import Choice, Selection, fingerprint_of, select
from lightning_weightviz.model.sites import Site, places_in
from lightning_weightviz.model.spread_targets import SpreadTargets
from lightning_weightviz.model.targets import Targets
from lightning_weightviz.run.deferred import Deferred
from lightning_weightviz.snapshot import Spectrum, Target


class Observer:
    """Looks at a model again and again.

    Args:
        model: Any module; it may change between two looks.
        choice: What to look at.
        measuring: What is measured.
        classes: Whether the layers of the classes are shown at all.
        trace: Which layers give the classes, where the model's framework tells.

    Raises:
        ArgumentError: `choice` names a head that is none, or class names that fit no head.

    Attributes:
        selection: What is shown, as of the last look.
        awaits_trace: Whether the training's loss is still to tell which layers give the classes.
    """

    def __init__(
        self,
        model: nn.Module,
        choice: Choice,
        measuring: Measuring,
        *,
        classes: bool = True,
        trace: Trace | None = None,
    ) -> None:
        self._model = model
        self._choice = choice
        self._measuring = measuring
        self._classes = classes
        self._suggested_names: Sequence[str] | None = None
        self._trace = trace
        self._unreadable: dict[str, str] = {}
        self._reported: set[str] = set()
        self._unread_heads: set[str] = set()
        self._last: Deferred[dict[Target, Measured]] | None = None
        self._traces = self.awaits_trace = False
        self.selection = self._select()
        if classes:
            check_class_names(choice.class_names, self.selection.heads, model)
        self._targets = self._new_targets()

    @property
    def sites(self) -> tuple[Site, ...]:
        """The parameters shown."""
        return self.selection.sites

    @property
    def tensors(self) -> list[nn.Parameter]:
        """The parameters shown, as they are now."""
        return [site.tensor for site in self.sites]

    @property
    def needs_every_rank(self) -> bool:
        """Whether `take` takes collectives, so that every rank must call it."""
        return sharding.needs_every_rank(self._model)

    def look_at(self, model: nn.Module, trace: Trace | None = None) -> None:
        """From now on looks at another module: that of a later file, say, and what it tells of the classes."""
        self._model, self._trace = model, trace
        self.follow()

    def take(self, *, spectra: bool = False) -> Deferred[dict[Target, Measured]] | None:
        """Measures all targets as they are now; None where there is nothing to measure yet.

        On a device with a stream it is enqueued; on the host the weights are copied and measured when the result is
        first asked for, by any thread.

        Args:
            spectra: Whether all singular values are measured of what has a picture.
        """
        sharding.settle(self._model)
        self.follow()
        # Asked here alone: within a batch optimizers in turns freeze what is the others'.
        if not self.selection.knows_what_is_trained:
            self._reselect()
        self._wait()
        while True:
            heads = HeadReader(self.selection.heads if self._classes else (), self._names_of, self._unread_heads)
            try:
                self._last = self._targets.measure(self.sites, heads, spectra=spectra)
                return self._last
            except UnreadableError as error:
                # They are left out from now on, with the reason.
                self._unreadable |= error.reasons
                self._reselect()

    def spectra_of_last(self) -> dict[str, Spectrum]:
        """All singular values of the weights that have a picture, by name; none where they have changed since `take`.

        Nor where they are spread over ranks: of those that call this, one may be alone.
        """
        if self.needs_every_rank or isinstance(self._targets, SpreadTargets):
            return {}
        self._wait()
        return self._targets.spectra_of_last(self.sites)

    def follow(self) -> None:
        """Looks anew for the parameters where the model has others than before: pruned, replaced, given a shape."""
        if fingerprint_of(places_in(self._model)) != self.selection.fingerprint:
            before = self.selection
            self._reselect()
            if before.heads and not self.selection.heads:
                # The layer of the classes is a new one: the next loss tells which.
                self._trace, self.awaits_trace = None, self._traces
                self._reselect()
            self._report_change(before)
        elif isinstance(self._targets, SpreadTargets) != self.needs_every_rank:
            # The same parameters, but spread over ranks by now.
            self._wait()
            self._targets = self._new_targets(self._targets)

    def await_trace(self) -> None:
        """The training's loss will be there to tell which layers give the classes, unless the user names one."""
        self._traces = self.awaits_trace = self._choice.head is None
        self._reselect()

    def learn(self, loss: Tensor) -> None:
        """Reads from the graph of a loss which layers give the classes."""
        found = trace(loss)
        self._trace = found if self._trace is None else self._trace.joined(found)
        self._reselect()

    def stop_waiting(self) -> None:
        """The training has said what it can.

        Raises:
            ArgumentError: The user's class names fit none of the layers that it showed.

        Warns:
            UserWarning: It showed none.
        """
        if not self.awaits_trace:
            return
        self.awaits_trace = False
        if self._trace is None:
            self._trace = Trace((), is_clear=False)
            self._reselect()
        if not self._classes:
            return
        check_class_names(self._choice.class_names, self.selection.heads)
        if not self.selection.heads and not self._trace.is_clear:
            warnings.warn(
                "no layer of classes was found, so no class views are drawn: pass head= with the name of its weight, "
                "or leave 'classes' out of views",
                stacklevel=2,
            )

    def suggest_class_names(self, names: Sequence[str]) -> None:
        """Names classes that the user did not name; a head of another number of classes is left as it is."""
        self._suggested_names = names

    @property
    def wants_class_names(self) -> bool:
        """Whether there may be classes that the user has not named."""
        return self._classes and self._choice.class_names is None

    def observe_gradients(self, parameters: Sequence[Tensor] | None, scale: float) -> None:
        """Keeps a copy of the gradients of these parameters, or of all, divided by `scale`, for the next `take`."""
        self.follow()
        held = None if parameters is None else {id(parameter) for parameter in parameters}
        shown = [one for one in self.tensors if held is None or id(sharding.held_by_optimizer(one)) in held]
        self._targets.gradients.observe(shown, scale)

    def forget_step(self) -> None:
        """Lets go what was kept of the last step, gradients too: the weights move on without a snapshot."""
        self._targets.forget_step()

    def before_step(self, parameters: Sequence[Tensor], others: Collection[int] | None = None) -> list[int]:
        """Remembers parameters just before an optimizer step; returns what to give to `after_step`.

        Args:
            parameters: Those of the optimizer.
            others: Ids of those of all optimizers, where what is in none of them is to be remembered too: no step
                changes it.
        """
        self.follow()
        stepped = {id(parameter) for parameter in parameters}
        held = [id(sharding.held_by_optimizer(tensor)) for tensor in self.tensors]
        which = [
            index for index, one in enumerate(held) if one in stepped or (others is not None and one not in others)
        ]
        self._targets.before_step(self.sites, which)
        return which

    def after_step(self, which: Sequence[int]) -> None:
        """Compares with `before_step`: ``update_ratio`` of the next `take`."""
        if which:
            self._targets.after_step(self.sites, which)

    def rest(self) -> None:
        """Frees the buffers kept between snapshots."""
        self._targets.rest()

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs, by target; waits until all that was taken is measured."""
        self._wait()
        return self._targets.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken; raises and changes nothing where that cannot be read."""
        targets = self._new_targets()
        targets.load_state_dict(state)
        self._targets = targets

    def _wait(self) -> None:
        """Until the last result is there: its copies are to be overwritten, or its meters asked."""
        if self._last is not None:
            # What it raises is reported where the result is used.
            with suppress(Exception):
                self._last.result()

    def _names_of(self, head: HeadSite) -> tuple[str, ...] | None:
        own = fitting_names(self._choice.class_names, head)
        return own or (fitting_names(self._suggested_names, head) if self._choice.class_names is None else None)

    def _select(self) -> Selection:
        selection = select(
            self._model,
            self._choice,
            trace=self._trace,
            guess=not self._traces,
            unreadable=self._unreadable,
        )
        if skipped := {name: why for name, why in selection.skipped.items() if name not in self._reported}:
            self._reported |= skipped.keys()
            reasons = "; ".join(f"{name}: {reason}" for name, reason in skipped.items())
            warnings.warn(f"weights that are not shown: {reasons}", stacklevel=4)
        return selection

    def _reselect(self) -> None:
        """Selects anew; meters go on with what they know of parameters that stay."""
        before = [site.parameter for site in self.selection.sites]
        self.selection = self._select()
        if before != [site.parameter for site in self.selection.sites]:
            self._wait()
            self._targets = self._new_targets(self._targets)

    def _report_change(self, before: Selection) -> None:
        old, new = (
            {site.parameter.name: site.parameter.shape for site in one.sites} for one in (before, self.selection)
        )
        # What was only waiting for its shape was to be expected.
        gone = _only_in(old, new)
        came = _only_in({name: shape for name, shape in new.items() if name not in before.waiting}, old)
        if gone or came:
            gone, came = gone or "none", came or "none"
            warnings.warn(f"the model has changed; parameters that are gone: {gone}; new: {came}", stacklevel=2)

    def _new_targets(self, before: Targets | SpreadTargets | None = None) -> Targets | SpreadTargets:
        targets = (SpreadTargets if self.needs_every_rank else Targets)(
            [site.parameter for site in self.selection.sites], self._measuring
        )
        if before is not None:
            targets.take_over(before)
        return targets


def _shapes(selection: Selection) -> dict[str, tuple[int, ...]]:
    return {site.parameter.name: site.parameter.shape for site in selection.sites}


def _only_in(these: Mapping[str, tuple[int, ...]], others: Mapping[str, tuple[int, ...]]) -> str:
    """Names that the others have not, and with their shape those that these have of another one."""
    names = [
        name if name not in others else f"{name} of shape {shape}"
        for name, shape in sorted(these.items())
        if others.get(name) != shape
    ]
    return ", ".join(names)
