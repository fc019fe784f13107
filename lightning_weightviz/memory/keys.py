"""Under which keys memory holds things: no two things under one, whatever characters a name holds."""

from __future__ import annotations

import re

from lightning_weightviz.memory.maps import EXTRA_MAPS
from lightning_weightviz.snapshot import TOTAL, ClassRows, Parameter, Target

# A name that looks like a key of something else gets a colon more, and so does a name that looks like that, and so on.
_LIKE_EXTRA = re.compile(rf".*:(?:{'|'.join(EXTRA_MAPS)}):*", re.DOTALL)
_LIKE_TOTAL = re.compile(rf"{TOTAL}:*")


def key_of(target: Target, name: str) -> str:
    """The key under which history holds a parameter, ``<target>/<name>``; of the name `TOTAL` that of the totals too.

    >>> key_of("weights", "fc.weight"), key_of("weights", "fc:rms")
    ('weights/fc.weight', 'weights/fc:rms:')
    """
    return f"{target}/{name}:" if _LIKE_EXTRA.fullmatch(name) else f"{target}/{name}"


def statistics_key(target: Target, name: str) -> str:
    """The key of a parameter's statistics: `key_of`, but for one whose name is `TOTAL`, as the totals have that.

    >>> statistics_key("weights", "fc.weight"), statistics_key("weights", "total")
    ('weights/fc.weight', 'weights/total:')
    """
    return f"{key_of(target, name)}:" if _LIKE_TOTAL.fullmatch(name) else key_of(target, name)


def extra_key(key: str, name: str) -> str:
    """The key of the range of one of `extra_maps`, of the parameter at `key`; `key_of` gives no such key."""
    return f"{key}:{name}"


def film_key(key: str, parameter: Parameter) -> str:
    """The key of the range in which a parameter's frames are drawn."""
    return extra_key(key, "sums") if parameter.layout == "kernels" else key


TEMPLATES = "classes/templates"
"""How the keys of the ranges of templates begin; no target is called ``classes``."""


def templates_key(index: int, head: ClassRows) -> str:
    """The key of the range of a head's templates."""
    return TEMPLATES if index == 0 else f"{TEMPLATES}/{head.name}"
