"""Which layers give the answers of a model, read from the graph that autograd keeps of a loss.

Nothing is called and nothing is kept: the graph of the training's own forward pass is walked from the loss back to the
first layers with weights, and the operations on the way tell whether their outputs are classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn
from torch.autograd.function import BackwardCFunction

Answers = Literal["classes", "labels"]
"""One answer among all outputs (softmax), or each output an answer by itself (sigmoid)."""

_MEANINGS: tuple[tuple[str, Answers | None], ...] = (
    ("BinaryCrossEntropy", "labels"),
    ("LogSigmoid", "labels"),
    ("Sigmoid", "labels"),
    ("MultilabelMargin", "labels"),
    ("SoftMargin", "labels"),
    ("NllLoss", "classes"),
    ("LogSoftmax", "classes"),
    ("Softmax", "classes"),
    ("Logsumexp", "classes"),
    ("CrossEntropy", "classes"),
    ("MultiMargin", "classes"),
    ("MseLoss", None),
    ("SmoothL1", None),
    ("L1Loss", None),
    ("Huber", None),
)
"""What the outputs are that go into an operation of this name; None: values to be near to."""

_PRODUCTS = ("Addmm", "Mm", "Bmm", "Baddbmm", "Mv", "Linear", "Convolution", "MkldnnConvolution", "Cudnn", "ScaledMm")
_RESHAPED = (
    *("T", "Transpose", "View", "UnsafeView", "ReshapeAlias", "Permute", "Expand", "ToCopy", "Clone", "Alias"),
    *("Squeeze", "Unsqueeze", "AsStrided", "Slice", "Mul", "Div", "WeightNormInterface", "WeightNorm"),
)
"""What stands between a parameter and the product that it is used in: reshaping, casts, masks and normalisation."""
_OPAQUE = ("CheckpointFunction", "NoopSaveInputs")
"""Operations that hide the network that they compute again."""

MOST_NODES = 20_000
MOST_BETWEEN = 12


@dataclass(frozen=True)
class Trace:
    """What the graph of a loss tells.

    Attributes:
        outputs: The parameters whose products are the answers, with what these are, in the order found.
        is_clear: Whether all of the graph down to the first layers could be read; where not, more may be there.
    """

    outputs: tuple[tuple[nn.Parameter, Answers], ...]
    is_clear: bool

    def joined(self, other: Trace) -> Trace:
        """What two losses tell together."""
        outputs = {id(parameter): (parameter, answers) for parameter, answers in (*self.outputs, *other.outputs)}
        return Trace(tuple(outputs.values()), self.is_clear and other.is_clear)


def trace(loss: Tensor) -> Trace:
    """Walks back from a loss to the layers that feed it.

    Args:
        loss: With its graph, before the backward pass; a tensor without one tells nothing.
    """
    if loss.grad_fn is None:
        return Trace((), is_clear=False)
    found: dict[int, tuple[nn.Parameter, Answers]] = {}
    clear = True
    waiting: list[tuple[Any, Answers | None, bool]] = [(loss.grad_fn, None, False)]
    seen: set[tuple[Any, Answers | None, bool]] = set()
    while waiting and len(seen) < MOST_NODES:
        node, answers, decided = step = waiting.pop()
        if step in seen:
            continue
        seen.add(step)
        name = _name(node)
        if name.startswith(_OPAQUE) or (isinstance(node, BackwardCFunction) and _weight(node) is not None):
            # A function of Python's that takes weights may be a layer, a loss with one, or a whole compiled network.
            clear = False
            continue
        if name in _PRODUCTS:
            weight = _weight(node)
            # A product of two activations, as in a contrastive loss, has no rows that are classes.
            if weight is not None and answers is not None:
                found.setdefault(id(weight), (weight, answers))
            continue
        if not decided:
            meaning = next(((m,) for prefix, m in _MEANINGS if name.startswith(prefix)), None)
            answers, decided = (meaning[0], True) if meaning else (answers, decided)
        waiting += [(child, answers, decided) for child, _ in reversed(node.next_functions) if child is not None]
    return Trace(tuple(found.values()), clear and not waiting)


def loss_of(output: Any) -> Tensor | None:
    """The loss in what a model of transformers returns; None where there is none."""
    first = output.get("loss") if isinstance(output, Mapping) else output
    if isinstance(output, (tuple, list)):
        first = next(iter(output), None)
    return first if isinstance(first, Tensor) and first.ndim == 0 and first.grad_fn is not None else None


def _weight(product: Any) -> nn.Parameter | None:
    """The largest parameter that goes into a product with nothing but reshaping in between."""
    found = [parameter for child, _ in product.next_functions for parameter in _near(child, MOST_BETWEEN)]
    matrices = [parameter for parameter in found if parameter.ndim > 1]
    return max(matrices, key=lambda parameter: parameter.numel(), default=None)


def _near(node: Any, left: int) -> Iterator[nn.Parameter]:
    if node is None or left == 0:
        return
    if _name(node) == "AccumulateGrad":
        yield node.variable
    elif _name(node) in _RESHAPED:
        for child, _ in node.next_functions:
            yield from _near(child, left - 1)


def _name(node: Any) -> str:
    """The operation's name: ``AddmmBackward0`` is the derivative of ``Addmm``."""
    name: str = node.name()
    return name.removeprefix("torch::autograd::").partition("Backward")[0]
