"""Whether the inputs of a Keras model's first Dense are pictures, and of which shape."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from lightning_weightviz.model.layer_kinds import IMAGE_SHAPES, images_layer
from lightning_weightviz.model.mirror import Mirror

_CHANNELS = (1, 3)


def picture_shape(
    model: Any, module: nn.Module, given: tuple[int, int, int] | None = None, *, channels_last: bool = True
) -> tuple[int, int, int] | None:
    """(channels, height, width) of the model's input, where its first Dense takes all of it; None where not known.

    Args:
        model: A Keras model.
        module: Its mirror.
        given: By the user, who knows better.
        channels_last: Whether the model takes pictures that way.
    """
    shape = getattr(model, "input_shape", None) if getattr(model, "built", False) else None
    if given is not None or not isinstance(shape, tuple) or not all(isinstance(size, int) for size in shape[1:]):
        return given
    sizes: tuple[int, ...] = shape[1:]
    if len(sizes) == 3 and not channels_last:
        found = (sizes[0], sizes[1], sizes[2])
    elif len(sizes) == 3:
        found = (sizes[2], sizes[0], sizes[1])
    elif len(sizes) == 2:
        found = (1, sizes[0], sizes[1])
    else:
        return None
    return found if found[0] in _CHANNELS and images_layer(module, found) is not None else None


def as_channels_first(module: nn.Module, shape: tuple[int, int, int] | None) -> None:
    """Orders the inputs of the first Dense as the rows of a picture are drawn, channel by channel.

    Keras flattens a picture with its channels last: without this the colours of neighbours would be mixed.

    Args:
        module: A mirror of a Keras model that takes pictures with their channels last.
        shape: (channels, height, width) of the input; None: a usual one, where it fits.
    """
    first = images_layer(module, shape)
    if not isinstance(first, Mirror):
        return
    weight = first._parameters["kernel"]
    assert weight is not None
    channels, height, width = shape or IMAGE_SHAPES[weight.shape[1]]
    if channels > 1 and math.prod((channels, height, width)) == weight.shape[1]:
        pictures = weight.detach().unflatten(1, (height, width, channels)).permute(0, 3, 1, 2).flatten(1)
        ordered = nn.Parameter(pictures, requires_grad=weight.requires_grad)
        for one in module.modules():
            # Layers that share it go on sharing it.
            one._parameters.update({name: ordered for name, other in one._parameters.items() if other is weight})
