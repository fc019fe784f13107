"""Names of parameters, as users know them, and globs over them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

WRAPPERS = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_forward_module", "_checkpoint_wrapped_module"})
"""Segments that wrappers put into parameter names."""


def clean_name(name: str) -> str:
    """A parameter's name without what wrappers put in.

    >>> clean_name("_orig_mod.encoder._fsdp_wrapped_module.fc.weight")
    'encoder.fc.weight'
    """
    return ".".join(segment for segment in name.split(".") if segment not in WRAPPERS)


def title_of(model: nn.Module) -> str:
    """What the page of a model is called: by its class, without wrappers; of a model of another framework by none."""
    # Of what it holds alone, as a model may answer to any name.
    while inner := [child for name, child in model.named_children() if name in WRAPPERS]:
        model = inner[0]
    of_user = type(model) is not nn.Module and not type(model).__module__.startswith(__name__.partition(".")[0])
    return f"Weights of {type(model).__name__}" if of_user else "Weights"


def joined(path: str, attribute: str) -> str:
    """The clean name of a module's attribute.

    >>> joined("", "weight"), joined("_orig_mod.fc", "weight")
    ('weight', 'fc.weight')
    """
    return clean_name(f"{path}.{attribute}" if path else attribute)


def matches(name: str, glob: str) -> bool:
    """Whether a glob is of a parameter's name, or of a module that holds it."""
    return fnmatchcase(name, glob) or fnmatchcase(name, f"{glob}.*")


def is_chosen(aliases: Sequence[str], layers: Sequence[str] | None, exclude: Sequence[str]) -> bool:
    """Whether a parameter of these names is asked for; None asks for all."""
    asked = layers is None or any(matches(name, glob) for name in aliases for glob in layers)
    return asked and not any(matches(name, glob) for name in aliases for glob in exclude)


def warn_of_unmatched(argument: str, globs: Sequence[str], names: Sequence[str]) -> None:
    """Warns of each glob that matches no name."""
    for glob in globs:
        if not any(matches(name, glob) for name in names):
            shown = ", ".join(names[:20]) + (f", … and {len(names) - 20} more" if len(names) > 20 else "")
            warnings.warn(f"{argument}: {glob!r} matches no parameter; available: {shown}", stacklevel=2)
