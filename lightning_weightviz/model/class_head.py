"""The layers whose rows are the classes, by evidence: what users name, what the training shows, what modules say."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy

from lightning_weightviz.measure import HeadSource
from lightning_weightviz.model.evidence import Answers, Trace
from lightning_weightviz.model.layer_kinds import IMAGE_SHAPES, NORMS, takes_inputs_by_rows
from lightning_weightviz.model.mirror import kept_of, weight_name
from lightning_weightviz.model.names import clean_name, joined
from lightning_weightviz.model.reparametrization import is_parametrized, weight_in_use
from lightning_weightviz.model.sharding import is_spread, own_class
from lightning_weightviz.model.sites import attribute_of, own_parameters, weighted_modules
from lightning_weightviz.model.values import all_readable, reason_to_skip
from lightning_weightviz.run.errors import ArgumentError

MOST_GATHERED = 64 * 2**20
"""Bytes of a head that is spread over ranks; the classes of a larger one are measured where they are."""
MOST_HEADS = 4
"""So many are shown, the first ones that feed the loss."""

LABEL_LOSSES = (nn.BCELoss, nn.BCEWithLogitsLoss, nn.MultiLabelSoftMarginLoss, nn.MultiLabelMarginLoss)
ONE_ANSWER_LOSSES = (nn.CrossEntropyLoss, nn.NLLLoss, nn.MultiMarginLoss, nn.AdaptiveLogSoftmaxWithLoss)
CLASS_LOSSES = (*ONE_ANSWER_LOSSES, *LABEL_LOSSES)
VALUE_LOSSES = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.PoissonNLLLoss, nn.GaussianNLLLoss)


@dataclass(frozen=True)
class HeadSite:
    """A layer whose rows are the classes.

    Attributes:
        name: Of its weight, as users read it: also where it is made of other parameters.
        module: That owns it.
        attribute: Of the weight in use, for `weight_in_use`.
        classes: C, the number of rows.
        chain: The Linear layers from the input to the head, by name, where the network is nothing else; else empty.
        input_shape: (channels, height, width) of the chain's input where known.
        input_shape_given: Whether the user gave it.
        multi_label: Whether each output is an answer by itself.
    """

    name: str
    module: nn.Module
    attribute: str
    classes: int
    chain: tuple[tuple[str, nn.Linear], ...] = ()
    input_shape: tuple[int, int, int] | None = None
    input_shape_given: bool = False
    multi_label: bool = False

    def owns(self, module: nn.Module, attribute: str) -> bool:
        """Whether a parameter is its weight, or the one that its weight is made of and has its shape."""
        made_of = {self.attribute, f"{self.attribute}_orig", f"{self.attribute}_v", "original", "original1"}
        if is_parametrized(module):
            made = attribute_of(self.module, "parametrizations", {})
            return self.attribute in made and made[self.attribute] is module and attribute in made_of
        return module is self.module and attribute in made_of


@dataclass(frozen=True)
class _Candidate:
    """A layer whose rows can be classes."""

    name: str
    module: nn.Module
    attribute: str
    classes: int
    trained: bool


def find_heads(
    model: nn.Module,
    *,
    name: str | None = None,
    input_shape: tuple[int, int, int] | None = None,
    class_names: Sequence[str] | None = None,
    trace: Trace | None = None,
    guess: bool = True,
) -> tuple[HeadSite, ...]:
    """The layers whose rows are the classes, at most `MOST_HEADS`; none where nothing says that there are some.

    Args:
        model: Any module.
        name: Of the weight, by the user: it alone.
        input_shape: Of the input, for templates of the classes.
        class_names: Told by the user: a layer with as many rows comes before others.
        trace: What the training's own loss tells. None: not known; the modules are asked then.
        guess: Whether to take the last trained Linear or 1×1 convolution where nothing else is known. Never where there
            is a trace.

    Raises:
        ArgumentError: `name` is not a parameter of the model, or not one whose rows can be classes.
    """
    candidates = _candidates(model)
    if name is not None:
        chosen: list[tuple[_Candidate, Answers | None]] = [(_named(model, candidates, name), None)]
    elif trace is not None and (trace.outputs or trace.is_clear):
        traced = _traced(model, trace)
        chosen = [(one, answers) for one, answers in traced if not _is_reconstruction(model, one, answers)]
        if not chosen and class_names and (traced or not trace.outputs):
            # Who names the classes has some, also where the loss is one of values; but not where no rows are theirs.
            chosen = [(one, None) for one in _fitting(candidates, {len(class_names)})]
    else:
        chosen = [(one, None) for one in _declared(model, candidates, class_names, guess=guess and trace is None)]
    labels = _says_labels(model)
    return tuple(
        _site(model, one, input_shape, multi_label=labels if answers is None else answers == "labels")
        for one, answers in chosen[:MOST_HEADS]
    )


def stays_spread(head: HeadSite) -> bool:
    """Whether the weight is spread over ranks, and too large to be gathered."""
    weight = weight_in_use(head.module, head.attribute)
    return weight is not None and _is_too_large([weight])


def head_source(head: HeadSite, class_names: Sequence[str] | None) -> HeadSource | None:
    """The head's tensors as they are now; classes without names are numbered from 0. None where it has lost them.

    What is spread over ranks is gathered; a weight that `stays_spread` comes on the meta device.
    """
    weight = weight_in_use(head.module, head.attribute)
    if weight is None or len(weight) != head.classes:
        return None
    bias = own_parameters(head.module).get("bias")
    biases = [] if bias is None or bias.shape != (head.classes,) else [(f"the bias of {head.name}", bias)]
    stays = stays_spread(head)
    chain = _weights(head.chain)
    if _is_too_large([tensor for _, tensor in chain]):
        chain = []
    rows, *others = all_readable([(head.name, _without_values(weight) if stays else weight), *biases, *chain])
    return HeadSource(
        name=head.name,
        class_names=tuple(class_names or (str(index) for index in range(head.classes))),
        weight=rows.reshape(head.classes, -1),
        bias=others.pop(0) if biases else None,
        chain=tuple(zip((name for name, _ in chain), others, strict=True)),
        input_shape=head.input_shape,
        input_shape_given=head.input_shape_given,
        multi_label=head.multi_label,
        in_columns=kept_of(head.module, head.attribute) is not None,
    )


def _without_values(weight: Tensor) -> Tensor:
    return torch.empty(weight.shape, dtype=weight.dtype, device="meta")


def _is_too_large(tensors: Sequence[Tensor]) -> bool:
    """Whether they are spread over ranks and too large to be gathered."""
    return sum(tensor.nbytes for tensor in tensors if is_spread(tensor)) > MOST_GATHERED


def _weights(chain: Sequence[tuple[str, nn.Linear]]) -> list[tuple[str, Tensor]]:
    return [(name, own_parameters(module)[weight_name(module)]) for name, module in chain]


def _site(
    model: nn.Module, found: _Candidate, input_shape: tuple[int, int, int] | None, *, multi_label: bool
) -> HeadSite:
    chain, given = _chain(model, found.module), input_shape is not None
    if chain and input_shape is None:
        input_shape = IMAGE_SHAPES.get(chain[0][1].in_features)
    if not chain or input_shape is None or math.prod(input_shape) != chain[0][1].in_features:
        if chain and given:
            warnings.warn(
                f"input_shape: {input_shape} does not have the {chain[0][1].in_features} values that "
                f"{chain[0][0]} takes; no class templates are drawn",
                stacklevel=2,
            )
        chain, input_shape = (), None
    return HeadSite(found.name, found.module, found.attribute, found.classes, chain, input_shape, given, multi_label)


def _candidates(model: nn.Module) -> list[_Candidate]:
    """Linear layers and 1×1 convolutions, in the order of their registration."""
    modules = ((path, module) for path, module in model.named_modules() if can_be_head(module))
    found = (_candidate(path, module, weight_name(module)) for path, module in modules)
    return [one for one in found if one is not None]


def can_be_head(module: nn.Module) -> bool:
    """Whether a layer's rows can be classes: a Linear, or a convolution that looks at single positions."""
    # The projection inside an attention layer is a Linear too, but nothing comes out of the network there.
    if isinstance(module, nn.Linear):
        return own_class(module).__name__ != "NonDynamicallyQuantizableLinear"
    if not isinstance(module, _ConvNd) or takes_inputs_by_rows(module) or attribute_of(module, "groups", 1) != 1:
        return False
    weight = weight_in_use(module, weight_name(module))
    return weight is not None and not is_lazy(weight) and set(weight.shape[2:]) == {1}


def _candidate(path: str, module: nn.Module, attribute: str) -> _Candidate | None:
    if takes_inputs_by_rows(module):
        return None
    weight = weight_in_use(module) if attribute == "weight" else own_parameters(module).get(attribute)
    if weight is None or reason_to_skip(weight) is not None or weight.is_complex() or weight.ndim < 2:
        return None
    return _Candidate(joined(path, attribute), module, attribute, weight.shape[0], weight.requires_grad)


def _named(model: nn.Module, candidates: Sequence[_Candidate], name: str) -> _Candidate:
    for path, module in model.named_modules():
        for attribute in ("weight", *own_parameters(module)):
            if joined(path, attribute) == name and (found := _candidate(path, module, attribute)) is not None:
                return found
    known = {joined(path, attribute) for path, module in model.named_modules() for attribute in own_parameters(module)}
    wrong = "is not one whose rows can be classes" if name in known else "is not a parameter of the model"
    raise ArgumentError(
        f"head must name the weight of the layer of the classes, got {name!r}, which {wrong}; "
        f"available: {', '.join(one.name for one in candidates) or 'none in this model'}"
    )


def _traced(model: nn.Module, trace: Trace) -> list[tuple[_Candidate, Answers | None]]:
    """The layers that own the parameters of a trace; tied weights as the layer that comes last."""
    owners: dict[int, tuple[str, nn.Module, str]] = {}
    for path, module in model.named_modules():
        for attribute, tensor in own_parameters(module).items():
            owners[id(tensor)] = _owner(model, path, module, attribute)
    chosen: list[tuple[_Candidate, Answers | None]] = []
    for parameter, answers in trace.outputs:
        if id(parameter) in owners and (found := _candidate(*owners[id(parameter)])) is not None:
            chosen.append((found, answers))
    return chosen


def _owner(model: nn.Module, path: str, module: nn.Module, attribute: str) -> tuple[str, nn.Module, str]:
    """The layer that computes with a parameter, and the name of the weight there."""
    if is_parametrized(module):
        layer_path, _, rest = path.rpartition("parametrizations.")
        layer_path = layer_path.removesuffix(".")
        return layer_path, model.get_submodule(layer_path), rest
    if weight_in_use(module) is not None and attribute in ("weight", "weight_orig", "weight_v", "weight_g"):
        return path, module, "weight"
    return path, module, attribute


def _declared(
    model: nn.Module, candidates: Sequence[_Candidate], class_names: Sequence[str] | None, *, guess: bool
) -> list[_Candidate]:
    """What modules say: numbers of classes first, then losses; with `guess` else the last that is trained."""
    trained = _trained(candidates)
    counts = _declared_counts(model) | ({len(class_names)} if class_names else set())
    if fitting := _fitting(candidates, counts):
        return fitting
    says_values = any(isinstance(module, VALUE_LOSSES) for module in model.modules())
    says_classes = any(isinstance(module, CLASS_LOSSES) for module in model.modules())
    if not trained or (says_values and not says_classes) or not (guess or says_classes or _says_labels(model)):
        return []
    answers: Answers | None = "classes" if any(isinstance(one, ONE_ANSWER_LOSSES) for one in model.modules()) else None
    return [] if _is_reconstruction(model, trained[-1], answers) else trained[-1:]


def _trained(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """Those that are trained; all where none is."""
    return [one for one in candidates if one.trained] or list(candidates)


def _fitting(candidates: Sequence[_Candidate], counts: set[int]) -> list[_Candidate]:
    """The last one with one of these numbers of classes."""
    # One output decides between two classes.
    counts = counts | {1} if 2 in counts else counts
    return [one for one in _trained(candidates) if one.classes in counts][-1:]


def _declared_counts(model: nn.Module) -> set[int]:
    """Numbers of classes that metrics hold, such as those of torchmetrics."""
    counts = set()
    for module in model.modules():
        if not own_parameters(module) and type(module).__module__.partition(".")[0] == "torchmetrics":
            numbers = (attribute_of(module, name) for name in ("num_classes", "num_labels"))
            counts |= {number for number in numbers if isinstance(number, int) and number > 0}
    return counts


def _says_labels(model: nn.Module) -> bool:
    """Whether the model holds a loss that takes outputs one by one, or a metric of torchmetrics that does."""
    return any(
        isinstance(module, LABEL_LOSSES) or type(module).__name__.startswith("Multilabel") for module in model.modules()
    )


def _is_reconstruction(model: nn.Module, found: _Candidate, answers: Answers | None) -> bool:
    """Whether a layer gives as many values as the first layer of its kind takes, as that of an autoencoder does.

    Not where a convolution's channels are one answer: pictures of three colours often have three classes.
    """
    first = next((module for _, module in weighted_modules(model) if not isinstance(module, NORMS)), None)
    if first is None or first is found.module:
        return False
    if isinstance(first, nn.Linear):
        return found.classes == first.in_features > 1
    if answers == "classes" or not (isinstance(first, _ConvNd) and isinstance(found.module, _ConvNd)):
        return False
    weight = weight_in_use(first, weight_name(first))
    return weight is not None and found.classes == weight.shape[1] * attribute_of(first, "groups", 1)


def _chain(model: nn.Module, head: nn.Module) -> tuple[tuple[str, nn.Linear], ...]:
    """The Linear layers up to the head, where all that has weights is Linear and each feeds the next."""
    chain: list[tuple[str, nn.Linear]] = []
    for path, module in weighted_modules(model):
        if not isinstance(module, nn.Linear) or weight_name(module) not in own_parameters(module):
            return ()
        if chain and chain[-1][1].out_features != module.in_features:
            return ()
        chain.append((clean_name(path), module))
        if module is head:
            return tuple(chain)
    return ()
