"""The layer whose rows are the classes: what each row is, and how they lie to each other.

Rows are centred over the classes before anything is compared, as softmax ignores a shift common to all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lightning_weightviz.snapshot.measurement import Picture


@dataclass(frozen=True)
class ClassRows:
    """The classes one by one.

    Attributes:
        name: Of the weight.
        class_names: One per class, (C,).
        width: d, the number of inputs.
        picture: The rows as they are, pooled.
        norms: float64, (C,): L2 norm of each centred row.
        bias: float64, (C,); None where the layer has none.
        templates: float32, (C', channels, height, width): product of the weight matrices from the head back to the
            input, rows centred, of the first C' classes; None where the network is not a chain of Linear layers or
            the input's shape is not known.
        template_path: Names of the modules in that product, input first.
        template_shape_given: Whether `templates` has the shape that the user gave, or an inferred one.
        single: One output that decides between two classes (sigmoid): nothing to centre.
        multi_label: Each output is an answer by itself (sigmoid): rows are not centred, and there is no frame.
        in_columns: Whether the user's own weight is (d, C), with a class in each column.
    """

    name: str
    class_names: tuple[str, ...]
    width: int
    picture: Picture
    norms: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64] | None
    templates: npt.NDArray[np.float32] | None = None
    template_path: tuple[str, ...] = ()
    template_shape_given: bool = False
    single: bool = False
    multi_label: bool = False
    in_columns: bool = False

    @property
    def own_shape(self) -> tuple[int, int]:
        """Of the weight, as the user knows it."""
        count = len(self.class_names)
        return (self.width, count) if self.in_columns else (count, self.width)

    @property
    def line(self) -> str:
        """What holds a class in the user's own weight."""
        return "column" if self.in_columns else "row"


@dataclass(frozen=True)
class ClassPairs:
    """The classes compared, each pair of them.

    Attributes:
        cosine: float32, (c, c): cosines between centred rows, pooled by signed extreme where C is large, the
            diagonal NaN.
        closest: The pairs with the largest cosine, ``(class, class, cosine)``, largest first.
        cosine_spread: Standard deviation of the off-diagonal cosines; NaN where undefined.
        simplex_distance: ‖G/‖G‖_F − (I − 11ᵀ/C)/√(C−1)‖_F of the centred G = WWᵀ (Zhu et al. 2021); NaN where
            d < C − 1, as no such frame exists there.
    """

    cosine: npt.NDArray[np.float32]
    closest: tuple[tuple[int, int, float], ...]
    cosine_spread: float
    simplex_distance: float
