"""Which layers give the answers of a model, read from the graph that autograd keeps of a loss.

Nothing is called and nothing is kept: the graph of the training's own forward pass is walked from the loss back to the
first layers with weights, and the operations on the way tell whether their outputs are classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

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
_ACTIVATIONS = ("Sigmoid", "Softmax", "Logsumexp")
"""Those that a penalty takes too, to which nothing says what is right."""
_LENGTHS = ("Pow", "Abs", "Norm", "LinalgVectorNorm")
"""What a loss of values takes of differences where it is written by hand."""
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
    found: dict[int, _Output] = {}
    clear = True
    waiting = [_Step(loss.grad_fn)]
    seen: set[_Step] = set()
    while waiting and len(seen) < MOST_NODES:
        step = waiting.pop()
        if step in seen:
            continue
        seen.add(step)
        node, name = step.node, _name(step.node)
        if name.startswith(_OPAQUE) or (isinstance(node, BackwardCFunction) and _weight(node) is not None):
            # A function of Python's that takes weights may be a layer, a loss with one, or a whole compiled network.
            clear = False
            continue
        if name in _PRODUCTS:
            weight = _weight(node)
            # A product of two activations, as in a contrastive loss, has no rows that are classes.
            if weight is not None and step.answers is not None:
                output = found.setdefault(id(weight), _Output(weight, step.answers))
                output.products.append(node)
                output.is_named = output.is_named or step.is_named
            continue
        if not step.decided:
            step = step.beyond(name, is_distance=_is_distance(node))
        waiting += [step._replace(node=child) for child, _ in reversed(node.next_functions) if child is not None]
    answers = tuple((one.weight, one.answers) for one in _without_routers(list(found.values())))
    return Trace(answers, clear and not waiting)


class _Step(NamedTuple):
    """One node of a graph, and what lies between the loss and it.

    Attributes:
        node: Of the graph.
        answers: What the outputs are that go into the operations in between.
        decided: Whether these say it.
        is_named: Whether a logarithm is among them, or a loss that is told what is right: not an activation alone.
    """

    node: Any
    answers: Answers | None = None
    decided: bool = False
    is_named: bool = False

    def beyond(self, name: str, *, is_distance: bool) -> _Step:
        """What is known behind an operation of this name."""
        if is_distance:
            return self._replace(decided=True)
        for prefix, answers in _MEANINGS:
            if name.startswith(prefix):
                named = self.is_named or not name.startswith(_ACTIVATIONS)
                return self._replace(answers=answers, decided=True, is_named=named)
        return self._replace(is_named=self.is_named or name.startswith("Log"))


@dataclass
class _Output:
    """A weight whose products go into what says what they are; see `_Step`."""

    weight: nn.Parameter
    answers: Answers
    is_named: bool = False
    products: list[Any] = field(default_factory=list)


def _without_routers(found: list[_Output]) -> list[_Output]:
    """Without those that a penalty alone looks at and that feed another output, as the router of a mixture does."""
    named = [one for one in found if one.is_named]
    if not named or len(named) == len(found):
        return found
    waiting = [child for one in named for product in one.products for child, _ in product.next_functions]
    behind: set[Any] = set()
    while waiting and len(behind) < MOST_NODES:
        node = waiting.pop()
        if node is not None and node not in behind:
            behind.add(node)
            waiting += [child for child, _ in node.next_functions]
    return [one for one in found if one.is_named or behind.isdisjoint(one.products)]


def loss_of(output: Any) -> Tensor | None:
    """The loss in what a model of transformers returns; None where there is none."""
    first = output.get("loss") if isinstance(output, Mapping) else output
    if isinstance(output, (tuple, list)):
        first = next(iter(output), None)
    return first if isinstance(first, Tensor) and first.ndim == 0 and first.grad_fn is not None else None


def _is_distance(node: Any) -> bool:
    """Whether it is the square, the magnitude or the norm of a difference, as the losses of values are."""
    name = _name(node)
    if name not in _LENGTHS or (name == "Pow" and getattr(node, "_saved_exponent", None) != 2):
        return False
    child = node.next_functions[0][0]
    while child is not None and _name(child) in _RESHAPED and len(child.next_functions) == 1:
        child = child.next_functions[0][0]
    return child is not None and _name(child) == "Sub"


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
