"""The layers whose rows are called classes are those that give the answers, whatever was registered last."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.utils.prune
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss
from torchmetrics.classification import MulticlassAccuracy

from lightning_weightviz import WeightVisualizationCallback
from lightning_weightviz.artifacts import Image
from lightning_weightviz.model.class_head import find_heads
from lightning_weightviz.model.evidence import trace
from lightning_weightviz.run.errors import ArgumentError
from tests.test_callback import Collected, fit
from tests.whole.test_never_stops import failures, told


class Network(LightningModule):
    """Sixteen inputs, four classes; what is registered, and what is used, is each test's."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body: nn.Module = nn.Linear(16, 8)
        self.head: nn.Module = nn.Linear(8, 4)

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        return cross_entropy(self.head(torch.relu(self.body(inputs))), labels)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self.loss(*batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([one for one in self.parameters() if one.requires_grad], lr=0.05)


class Perceptual(Network):
    """A frozen network behind the trained one, whose features are compared too."""

    def __init__(self) -> None:
        super().__init__()
        self.judge = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 20)).requires_grad_(False)

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        logits = self.head(torch.relu(self.body(inputs)))
        return cross_entropy(logits, labels) + mse_loss(self.judge(logits), torch.zeros(len(labels), 20))


class Distilled(Network):
    """A frozen teacher."""

    def __init__(self) -> None:
        super().__init__()
        self.teacher = nn.Linear(16, 4).requires_grad_(False)

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        logits = self.head(torch.relu(self.body(inputs)))
        target = torch.softmax(self.teacher(inputs), 1)
        return nn.functional.kl_div(logits.log_softmax(1), target, reduction="batchmean")


class WeightNormalised(Network):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.utils.parametrizations.weight_norm(nn.Linear(8, 4))
        self.unused = nn.Linear(8, 9)


class OldWeightNormalised(Network):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.utils.weight_norm(nn.Linear(8, 4))


class SpectrallyNormalised(Network):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.utils.parametrizations.spectral_norm(nn.Linear(8, 4))


class OldSpectrallyNormalised(Network):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.utils.spectral_norm(nn.Linear(8, 4))


class Pruned(Network):
    def __init__(self) -> None:
        super().__init__()
        nn.utils.prune.l1_unstructured(self.head, "weight", amount=0.5)


class Convolving(Network):
    """A 3×3 convolution gives the classes of each pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(16, 8), nn.Conv2d(2, 4, 3, padding=1)

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        maps = self.head(torch.relu(self.body(inputs)).view(-1, 2, 2, 2))
        return cross_entropy(maps, labels[:, None, None].expand(-1, 2, 2))


class Tied(Network):
    """An embedding is the output too."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(4, 8)
        self.head = nn.Identity()

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        hidden = torch.tanh(self.embedding(labels) + self.body(inputs))
        return cross_entropy(nn.functional.linear(hidden, self.embedding.weight), labels)


class Auxiliary(Network):
    """A layer that nothing uses, registered last."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Linear(8, 100)


class Raw(Network):
    """A parameter of the module itself."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Identity()
        self.prototypes = nn.Parameter(torch.randn(4, 8))

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        hidden = nn.functional.normalize(self.body(inputs), dim=1)
        return cross_entropy(10 * hidden @ nn.functional.normalize(self.prototypes, dim=1).T, labels)


class Manual(Auxiliary):
    """Steps by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:  # type: ignore[override]
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(self.loss(*batch))
        optimizer.step()


HEADS = {
    Network: "head.weight",
    Perceptual: "head.weight",
    Distilled: "head.weight",
    WeightNormalised: "head.weight",
    OldWeightNormalised: "head.weight",
    SpectrallyNormalised: "head.weight",
    OldSpectrallyNormalised: "head.weight",
    Pruned: "head.weight",
    Convolving: "head.weight",
    Tied: "embedding.weight",
    Auxiliary: "head.weight",
    Raw: "prototypes",
}


def captions(kept: Collected, tag: str) -> list[str]:
    return [
        artifact.caption
        for batch in kept.batches
        for artifact in batch.artifacts
        if isinstance(artifact, Image) and artifact.tag == tag
    ]


@pytest.mark.parametrize("kind", HEADS, ids=lambda kind: kind.__name__)
@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
def test_the_head_is_what_feeds_the_loss(kind: type[Network], tmp_path: Path) -> None:
    kept = Collected()
    with told() as texts:
        fit(tmp_path, WeightVisualizationCallback(sinks=[kept]), model=kind())
    assert failures(texts) == []
    found = captions(kept, "classes/weights")
    assert len(found) == 4 and all(caption.startswith(f"{HEADS[kind]} by class") for caption in found)
    assert len(kept.steps("classes.norm/3")) == 4


def test_the_loss_of_a_manual_step_tells_too(tmp_path: Path) -> None:
    kept = Collected()
    fit(tmp_path, WeightVisualizationCallback(sinks=[kept]), model=Manual())
    found = captions(kept, "classes/weights")
    # Before the first step nothing is known, and nothing is guessed.
    assert all(caption.startswith("head.weight by class") for caption in found) and len(found) == 3


@pytest.mark.parametrize(
    "kind",
    [
        WeightNormalised,
        pytest.param(OldWeightNormalised, marks=pytest.mark.filterwarnings("ignore::FutureWarning")),
        SpectrallyNormalised,
        OldSpectrallyNormalised,
        Pruned,
    ],
)
def test_rows_are_of_the_weight_in_use(kind: type[Network], tmp_path: Path) -> None:
    kept, model = Collected(), kind()
    fit(tmp_path, WeightVisualizationCallback(sinks=[kept], log_initial=False), model=model, max_epochs=1)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.eval()
    with torch.no_grad():
        # In training a call would renew spectral norm's vectors; here it gives what the last one left.
        outputs = model.head(torch.cat([torch.zeros(1, 8), torch.eye(8)])).double()
    weight = (outputs[1:] - outputs[:1]).T.numpy()
    norms = [float(((row - weight.mean(0)) ** 2).sum() ** 0.5) for row in weight]
    assert [kept.scalars(f"classes.norm/{index}")[0] for index in range(4)] == pytest.approx(norms, rel=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Autoencoder(Network):
    """As many outputs as inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(8, 16)

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        return mse_loss(self.head(torch.relu(self.body(inputs))), inputs)


class BinaryAutoencoder(Autoencoder):
    """Its loss takes pixels for answers."""

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        outputs = self.head(torch.relu(self.body(inputs)))
        return binary_cross_entropy_with_logits(outputs, torch.sigmoid(inputs))


class Regressor(Network):
    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        return mse_loss(self.head(torch.relu(self.body(inputs))), inputs[:, :4])


class Contrastive(Network):
    """Its logits are products of activations: there are no classes."""

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        hidden = self.head(torch.relu(self.body(inputs)))
        return cross_entropy(hidden @ hidden.T, torch.arange(len(inputs)))


class Upsampling(Network):
    """A transposed convolution gives the classes of each pixel: its rows are its inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.ConvTranspose2d(2, 4, 2, 2)

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        maps = self.head(torch.relu(self.body(inputs)).view(-1, 2, 2, 2))
        return cross_entropy(maps, labels[:, None, None].expand(-1, 4, 4))


class UpsamplingInGroups(Upsampling):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.ConvTranspose2d(2, 4, 2, 2, groups=2)


class TransposedDecoder(Network):
    """Pixels for answers."""

    channels = 1

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Conv2d(1, 4, 2, 2), nn.ConvTranspose2d(4, 1, 2, 2)

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        pictures = inputs.view(-1, 1, 4, 4).expand(-1, self.channels, -1, -1)
        outputs = self.head(torch.relu(self.body(pictures)))
        return binary_cross_entropy_with_logits(outputs, torch.sigmoid(pictures))


class ConvolutionalDecoder(TransposedDecoder):
    """A resize and an ordinary convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(self.channels, 4, 2, 2)
        self.head = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(4, self.channels, 3, padding=1))


class ColourDecoder(ConvolutionalDecoder):
    channels = 3


class Transposed(nn.Module):
    """A Linear as Hugging Face keeps it: (inputs, outputs)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        return torch.addmm(self.bias, inputs, self.weight)


Transposed.__name__ = "Conv1D"


class InputsFirst(Network):
    def __init__(self) -> None:
        super().__init__()
        self.head = Transposed(8, 4)


WITHOUT_ROWS = [Upsampling, UpsamplingInGroups, InputsFirst]


@pytest.mark.parametrize("kind", WITHOUT_ROWS)
@pytest.mark.parametrize("names", ["abcd", "abcdefgh"])
def test_names_of_classes_that_are_no_rows_are_left_aside(kind: type[Network], names: str, tmp_path: Path) -> None:
    kept = Collected()
    with told() as texts:
        # Eight is the rows of the body, which gives no classes.
        fit(tmp_path, WeightVisualizationCallback(sinks=[kept], class_names=list(names)), model=kind(), max_epochs=1)
    assert failures(texts) == []
    assert not any(artifact.tag.startswith("classes") for batch in kept.batches for artifact in batch.artifacts)
    assert kept.steps("weights.histogram/head.weight") == [0, 4]


def test_a_head_without_rows_for_the_classes_cannot_be_named() -> None:
    for model in (nn.Sequential(nn.Linear(4, 4), nn.ConvTranspose2d(4, 5, 1)), nn.Sequential(Transposed(4, 5))):
        name = f"{len(model) - 1}.weight"
        with pytest.raises(ArgumentError, match=rf"'{name}', which is not one whose rows can be classes"):
            find_heads(model, name=name)


class ThreeClasses(Network):
    """As many classes as colours."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 3, 1)

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        maps = self.head(torch.relu(self.body(inputs.view(-1, 1, 4, 4).expand(-1, 3, -1, -1))))
        return cross_entropy(maps, labels[:, None, None].expand(-1, 4, 4) % 3)


def test_a_softmax_over_as_many_channels_as_the_input_has_is_of_classes(tmp_path: Path) -> None:
    kept = Collected()
    fit(tmp_path, WeightVisualizationCallback(sinks=[kept]), model=ThreeClasses(), max_epochs=1)
    assert captions(kept, "classes/weights")[0].startswith("head.weight by class")


DECODERS = [*WITHOUT_ROWS, TransposedDecoder, ConvolutionalDecoder, ColourDecoder]


@pytest.mark.parametrize("kind", [Autoencoder, BinaryAutoencoder, Regressor, Contrastive, *DECODERS])
def test_what_has_no_classes_has_no_class_views_and_no_complaint(kind: type[Network], tmp_path: Path) -> None:
    kept = Collected()
    with told() as texts:
        fit(tmp_path, WeightVisualizationCallback(sinks=[kept]), model=kind())
    assert failures(texts) == [] and not any("head=" in text for text in texts)
    assert not any(artifact.tag.startswith("classes") for batch in kept.batches for artifact in batch.artifacts)
    head = "head.1" if isinstance(kind(), ConvolutionalDecoder) else "head"
    assert kept.steps(f"weights.histogram/{head}.weight") == [0, 4, 9, 14]
    assert kept.steps(f"weights.heatmap/{head}.weight")[-1] == 14


class TwoHeads(Network):
    """Classes, and labels that may be true together."""

    def __init__(self) -> None:
        super().__init__()
        self.labels = nn.Linear(8, 3)

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        hidden = torch.relu(self.body(inputs))
        targets = (inputs[:, :3] > 0).float()
        return cross_entropy(self.head(hidden), labels) + binary_cross_entropy_with_logits(self.labels(hidden), targets)


def test_two_heads_are_both_shown(tmp_path: Path) -> None:
    kept = Collected()
    with told() as texts:
        fit(tmp_path, WeightVisualizationCallback(sinks=[kept]), model=TwoHeads())
    assert failures(texts) == []
    assert captions(kept, "classes/weights")[0].startswith("head.weight by class")
    assert captions(kept, "classes/weights/labels")[0].startswith("labels.weight by class")
    assert len(kept.steps("classes.norm/3")) == len(kept.steps("classes.norm/labels/2")) == 4


class Hidden(torch.autograd.Function):
    """An operation that takes weights and does not say what it does, as a compiled network."""

    @staticmethod
    def forward(context: Any, inputs: Tensor, weight: Tensor) -> Tensor:
        context.save_for_backward(inputs, weight)
        return inputs @ weight.T

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        inputs, weight = context.saved_tensors
        return gradient @ weight, gradient.T @ inputs


class Compiled(Network):
    """Nothing is to be read from its graph."""

    def loss(self, inputs: Tensor, labels: Tensor) -> Tensor:
        assert isinstance(self.head, nn.Linear)
        hidden = torch.relu(self.body(inputs))
        logits: Tensor = Hidden.apply(hidden, self.head.weight)
        return cross_entropy(logits, labels)


class CompiledWithMetric(Compiled):
    def __init__(self) -> None:
        super().__init__()
        self.accuracy = MulticlassAccuracy(num_classes=4)
        self.unused = nn.Linear(8, 9)


def test_where_nothing_tells_there_are_no_class_views_and_the_way_is_named(tmp_path: Path) -> None:
    kept, named = Collected(), Collected()
    with told() as texts:
        fit(tmp_path / "a", WeightVisualizationCallback(sinks=[kept]), model=Compiled())
        fit(tmp_path / "b", WeightVisualizationCallback(sinks=[named], head="head.weight"), model=Compiled())
    assert len([text for text in texts if "pass head=" in text]) == 1
    assert kept.steps("classes/weights") == [] and named.steps("classes/weights") == [0, 4, 9, 14]


def test_a_metric_tells_where_the_graph_does_not(tmp_path: Path) -> None:
    kept = Collected()
    fit(tmp_path, WeightVisualizationCallback(sinks=[kept]), model=CompiledWithMetric())
    assert captions(kept, "classes/weights")[0].startswith("head.weight by class")


def test_class_names_tell_where_the_graph_does_not(tmp_path: Path) -> None:
    kept = Collected()
    callback = WeightVisualizationCallback(sinks=[kept], class_names=list("abcd"))
    fit(tmp_path, callback, model=Compiled())
    assert kept.steps("classes.norm/c") == [0, 4, 9, 14]


def test_without_a_training_modules_tell() -> None:
    def names(model: nn.Module, **options: Any) -> list[str]:
        return [head.name for head in find_heads(model, **options)]

    frozen = nn.ModuleDict({"net": nn.Linear(8, 3), "judge": nn.Linear(3, 7).requires_grad_(False)})
    assert names(frozen) == ["net.weight"]
    counted = nn.ModuleDict({"a": nn.Linear(8, 5), "b": nn.Linear(5, 7), "m": MulticlassAccuracy(num_classes=5)})
    assert names(counted) == ["a.weight"]
    assert names(nn.ModuleDict({"a": nn.Linear(8, 5), "b": nn.Linear(5, 7)}), class_names=list("abcde")) == ["a.weight"]
    assert names(nn.ModuleDict({"a": nn.Linear(8, 5), "loss": nn.MSELoss()})) == []
    assert names(nn.Sequential(nn.Linear(16, 4), nn.Linear(4, 16))) == []
    assert names(nn.Sequential(nn.Linear(16, 4), nn.Linear(4, 1))) == ["1.weight"]
    assert names(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ConvTranspose2d(4, 5, 1))) == []
    colours = nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3), nn.Conv2d(4, 3, 1))
    assert names(colours) == [] and names(nn.Sequential(*colours, nn.CrossEntropyLoss())) == ["2.weight"]
    assert names(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 1))) == ["1.weight"]
    assert names(nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.Conv2d(8, 4, 1))) == []
    # A decoder alone: what its first convolution takes is no input of the network.
    assert names(nn.Sequential(nn.Linear(4, 4), nn.Conv2d(5, 8, 3), nn.Conv2d(8, 5, 1))) == ["2.weight"]


def test_a_graph_is_read_under_autocast_and_through_scaling() -> None:
    layer = nn.Linear(8, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = cross_entropy(layer(torch.randn(5, 8)) / 0.1, torch.arange(5) % 4) * 3 + layer.weight.square().sum()
    found = trace(loss)
    assert [(parameter is layer.weight, answers) for parameter, answers in found.outputs] == [(True, "classes")]
    assert found.is_clear
    assert not trace(torch.ones(())).is_clear


BY_HAND: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "square": lambda output, target: ((output - target) ** 2).mean(),
    "square from the target": lambda output, target: (target - output).square().sum(),
    "cast": lambda output, target: (output - target).double().pow(2.0).mean(),
    "magnitude": lambda output, target: (output - target).abs().mean(),
    "norm": lambda output, target: (output - target).norm(),
    "Charbonnier": lambda output, target: ((output - target) ** 2 + 1e-6).sqrt().mean(),
}


@pytest.mark.parametrize("loss", BY_HAND.values(), ids=BY_HAND)
def test_a_distance_written_by_hand_is_of_values(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    layer, target = nn.Linear(8, 4), torch.rand(5, 4)
    found = trace(loss(torch.sigmoid(layer(torch.randn(5, 8))), target))
    assert found.outputs == () and found.is_clear


def test_a_distance_beside_a_loss_of_classes_hides_nothing() -> None:
    layer = nn.Linear(8, 4)
    logits, labels = layer(torch.randn(5, 8)), torch.rand(5, 4).round()
    chance = torch.sigmoid(logits)
    focal = -(labels * (1 - chance) ** 2 * chance.log() + (1 - labels) * chance**2 * (1 - chance).log()).mean()
    entropies = binary_cross_entropy_with_logits(logits, labels, reduction="none")
    quality = ((labels - chance).abs() ** 2 * entropies).mean()
    overlap = 1 - 2 * (chance * labels).sum() / (chance.square().sum() + labels.sum())
    for loss in (focal, quality, overlap):
        assert [(parameter is layer.weight, answers) for parameter, answers in trace(loss).outputs] == [
            (True, "labels")
        ]


class Experts(nn.Module):
    """Of a mixture: a router weighs them, and what comes out goes on to the head."""

    def __init__(self) -> None:
        super().__init__()
        self.router, self.experts, self.head = nn.Linear(8, 6), nn.Linear(8, 6 * 8), nn.Linear(8, 4)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.router(inputs)
        mixed = (logits.softmax(1).unsqueeze(2) * self.experts(inputs).view(-1, 6, 8)).sum(1)
        return self.head(torch.relu(mixed)), logits


def test_what_only_routes_on_the_way_to_the_classes_is_no_head() -> None:
    model, labels = Experts(), torch.arange(5) % 4
    outputs, logits = model(torch.randn(5, 8))
    chances = logits.softmax(1)
    balance = 6 * (chances.mean(0) * nn.functional.one_hot(chances.argmax(1), 6).float().mean(0)).sum()
    size = logits.logsumexp(1).square().mean()
    for penalty in (balance, size, balance + size):
        found = trace(cross_entropy(outputs, labels) + 0.01 * penalty)
        assert [parameter is model.head.weight for parameter, _ in found.outputs] == [True]
    # Where nothing else is of classes, or a loss of its own names what it gives, it is not known to be one.
    assert [parameter is model.router.weight for parameter, _ in trace(balance).outputs] == [True]
    for own in (cross_entropy(logits, labels), -chances.log()[range(5), labels].mean()):
        found = trace(cross_entropy(outputs, labels) + own)
        assert {id(parameter) for parameter, _ in found.outputs} == {id(model.head.weight), id(model.router.weight)}
