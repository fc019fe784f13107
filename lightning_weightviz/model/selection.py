"""Which parameters to show, and what each of them is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from torch import nn
from torch.nn.parameter import is_lazy

from lightning_weightviz.model.class_head import HeadSite, find_heads
from lightning_weightviz.model.evidence import Trace
from lightning_weightviz.model.layer_kinds import as_images, images_layer, parameter_of
from lightning_weightviz.model.mirror import weight_name
from lightning_weightviz.model.names import is_chosen, warn_of_unmatched
from lightning_weightviz.model.sites import Place, Site, places_in
from lightning_weightviz.model.values import reason_to_skip


@dataclass(frozen=True)
class Choice:
    """What the user wants to see.

    Attributes:
        layers: Globs over parameter names; a module's name stands for all its parameters. None: all.
        exclude: The same, of what to leave out.
        max_layers: How many parameters get pictures.
        head: Name of the weight whose rows are the classes. None: found, see `find_heads`.
        input_shape: (channels, height, width) of the input, for templates of the classes.
        class_names: Names of the classes, as evidence of the head.
    """

    layers: Sequence[str] | None = None
    exclude: Sequence[str] = ()
    max_layers: int = 12
    head: str | None = None
    input_shape: tuple[int, int, int] | None = None
    class_names: Sequence[str] | None = None


EVERYTHING = Choice()


@dataclass(frozen=True)
class Selection:
    """What is shown.

    Attributes:
        sites: In the order of the network.
        heads: The layers whose rows are the classes; none where nothing says that there are some.
        skipped: Why a parameter that was asked for is not shown, by its name.
        waiting: Names of those that are skipped until they get a shape.
        fingerprint: What was found in the model; another one asks for another selection.
    """

    sites: tuple[Site, ...]
    heads: tuple[HeadSite, ...]
    skipped: dict[str, str]
    waiting: frozenset[str]
    fingerprint: tuple[object, ...]

    @property
    def knows_what_is_trained(self) -> bool:
        """Whether the same parameters are frozen as when it was made."""
        return all(site.parameter.trainable == site.tensor.requires_grad for site in self.sites)


def select(
    model: nn.Module,
    choice: Choice = EVERYTHING,
    *,
    trace: Trace | None = None,
    guess: bool = True,
    unreadable: Mapping[str, str] | None = None,
) -> Selection:
    """Finds the parameters to show.

    Args:
        model: Any module.
        choice: What the user wants to see.
        trace: Of the training's loss, as evidence of the head.
        guess: Whether to guess the head where there is no evidence.
        unreadable: Names of parameters that failed to be read, and why.

    Raises:
        ArgumentError: its head is not a parameter of the model, or not one whose rows can be classes.

    Warns:
        UserWarning: A glob matches nothing.
    """
    places = places_in(model)
    names = [name for place in places for name in place.aliases]
    heads = find_heads(
        model,
        name=choice.head,
        input_shape=choice.input_shape,
        class_names=choice.class_names,
        trace=trace,
        guess=guess,
    )
    warn_of_unmatched("layers", choice.layers or (), names)
    warn_of_unmatched("exclude", choice.exclude, names)

    images = images_layer(model, choice.input_shape)
    sites: list[Site] = []
    skipped: dict[str, str] = {}
    for place in places:
        if not is_chosen(place.aliases, choice.layers, choice.exclude):
            continue
        reason = (unreadable or {}).get(place.name) or reason_to_skip(place.tensor)
        if reason is not None:
            skipped[place.name] = reason
            continue
        try:
            parameter = parameter_of(place, is_head=any(one.owns(place.module, place.attribute) for one in heads))
        except Exception as error:
            reason = f"asking its layer raised {type(error).__name__}: {error}"
            skipped[place.name] = reason
            continue
        if place.module is images and place.attribute == weight_name(images):
            parameter = as_images(parameter, choice.input_shape)
        sites.append(Site(place, parameter))
    waiting = frozenset(place.name for place in places if is_lazy(place.tensor))
    return Selection(tuple(_mark_pictured(sites, choice.max_layers)), heads, skipped, waiting, fingerprint_of(places))


def fingerprint_of(places: Sequence[Place]) -> tuple[object, ...]:
    """What a selection of these places is made from."""
    return tuple(place.fingerprint for place in places)


def _mark_pictured(sites: Sequence[Site], max_layers: int) -> Iterator[Site]:
    """Matrices come before vectors, trained ones before frozen ones."""
    matrices = [index for index, site in enumerate(sites) if site.parameter.layout != "vector"]
    vectors = [index for index, site in enumerate(sites) if site.parameter.layout == "vector"]
    left, chosen = max_layers, set[int]()
    for group, spread in ((matrices, True), (vectors, False)):
        for trained in (True, False):
            these = [index for index in group if sites[index].parameter.trainable is trained]
            picked = _spread(these, left) if spread else these[:left]
            chosen.update(picked)
            left -= len(picked)
    for index, site in enumerate(sites):
        yield replace(site, parameter=replace(site.parameter, pictured=index in chosen))


def _spread(indices: Sequence[int], most: int) -> list[int]:
    """The first, the last (where the head is) and evenly between."""
    if len(indices) <= most:
        return list(indices)
    last, steps = len(indices) - 1, max(most - 1, 1)
    return [indices[round(i * last / steps)] for i in range(most)]
