"""Which parameters are shown, and what each is said to be."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torchmetrics.classification import MultilabelAccuracy

from lightning_weightviz.model.class_head import HeadSite
from lightning_weightviz.model.selection import Choice, Selection, select


def head_of(model: nn.Module, **options: Any) -> HeadSite:
    (head,) = select(model, Choice(**options)).heads
    return head


def names(selection: Selection) -> list[str]:
    return [site.parameter.name for site in selection.sites]


def kinds(model: nn.Module) -> dict[str, str]:
    return {site.parameter.name: site.parameter.kind for site in select(model).sites}


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))


def test_all_parameters_in_the_order_of_the_network() -> None:
    model = mlp()
    assert names(select(model)) == [name for name, _ in model.named_parameters()]


def test_globs_and_module_names_and_exclusion() -> None:
    model = nn.ModuleDict({"fc1": nn.Linear(4, 4), "fc2": nn.Linear(4, 4), "fc10": nn.Linear(4, 4)})
    assert names(select(model, Choice(layers=["fc1"]))) == ["fc1.weight", "fc1.bias"]
    assert names(select(model, Choice(layers=["*.weight"], exclude=["fc2"]))) == ["fc1.weight", "fc10.weight"]


def test_a_glob_that_matches_nothing_names_what_there_is() -> None:
    with pytest.warns(UserWarning, match=r"layers: 'fc' matches no parameter; available: 0\.weight, 0\.bias"):
        assert names(select(mlp(), Choice(layers=["fc"]))) == []


def test_kinds_come_from_the_owning_module() -> None:
    model = nn.ModuleDict(
        {
            "conv": nn.Conv2d(3, 8, 3),
            "norm": nn.LayerNorm(8),
            "embedding": nn.Embedding(10, 8),
            "attention": nn.MultiheadAttention(8, 2),
            "lstm": nn.LSTM(8, 8),
            "own": nn.ParameterList([nn.Parameter(torch.zeros(2, 2))]),
            "hidden": nn.Linear(8, 8),
            "head": nn.Linear(8, 4),
        }
    )
    found = kinds(model)
    assert found["conv.weight"] == "conv"
    assert found["conv.bias"] == "bias"
    assert found["norm.weight"] == found["norm.bias"] == "norm"
    assert found["embedding.weight"] == "embedding"
    assert found["attention.in_proj_weight"] == "attention"
    assert found["lstm.weight_ih_l0"] == "recurrent"
    assert found["own.0"] == "other"
    assert found["hidden.weight"] == "linear"
    assert found["head.weight"] == "head"
    assert found["head.bias"] == "bias"


def test_layouts() -> None:
    model = nn.ModuleDict(
        {
            "first": nn.Conv2d(3, 64, 7),
            "deep": nn.Conv2d(64, 64, 3),
            "depthwise": nn.Conv2d(64, 64, 3, groups=64),
            "pointwise": nn.Conv2d(64, 32, 1),
            "up": nn.ConvTranspose2d(32, 16, 2),
            "paint": nn.ConvTranspose2d(16, 3, 5),
            "line": nn.Conv1d(3, 8, 5),
            "volume": nn.Conv3d(3, 8, 3),
            "huge": nn.Conv2d(1, 2, (300, 2)),
            "fc": nn.Linear(64, 10),
        }
    )
    layouts = {
        site.place.path: site.parameter.layout for site in select(model).sites if "weight" in site.place.attribute
    }
    assert layouts == {
        "first": "filters",
        "deep": "kernels",
        "depthwise": "filters",
        "pointwise": "matrix",
        "up": "kernels",
        "paint": "filters",
        "line": "kernels",
        "volume": "kernels",
        "huge": "kernels",
        "fc": "matrix",
    }
    assert {site.parameter.layout for site in select(model).sites if site.place.attribute == "bias"} == {"vector"}


@pytest.mark.parametrize(("width", "tile"), [(784, (1, 28, 28)), (1024, (1, 32, 32)), (3072, (3, 32, 32))])
def test_rows_of_a_first_linear_on_pictures_are_pictures(width: int, tile: tuple[int, int, int]) -> None:
    model = nn.Sequential(nn.Flatten(), nn.LayerNorm(width), nn.Linear(width, 16), nn.Linear(16, 784))
    found = {site.parameter.name: site.parameter for site in select(model).sites}
    assert (found["2.weight"].layout, found["2.weight"].tile, found["2.weight"].tile_inferred) == (
        "filters",
        tile,
        True,
    )
    assert found["2.weight"].filters_shape == (16, *tile)
    assert found["2.bias"].layout == "vector" and found["3.weight"].layout == "matrix"


def test_the_shape_of_the_input_can_be_given_and_must_fit() -> None:
    model = nn.Sequential(nn.Linear(192, 16), nn.Linear(16, 10))
    assert select(model).sites[0].parameter.layout == "matrix"
    given = select(model, Choice(input_shape=(3, 8, 8))).sites[0].parameter
    assert (given.layout, given.tile, given.tile_inferred) == ("filters", (3, 8, 8), False)
    with pytest.warns(UserWarning, match="input_shape"):
        assert select(model, Choice(input_shape=(1, 28, 28))).sites[0].parameter.layout == "matrix"
    words = nn.Sequential(nn.Embedding(50, 784), nn.Linear(784, 10))
    assert select(words).sites[1].parameter.layout == "matrix"


def test_gates_heads_and_padding() -> None:
    model = nn.ModuleDict(
        {
            "lstm": nn.LSTM(8, 6, proj_size=3),
            "gru": nn.GRUCell(8, 6),
            "rnn": nn.RNN(8, 6),
            "attention": nn.MultiheadAttention(8, 4),
            "words": nn.Embedding(20, 8, padding_idx=3),
        }
    )
    found = {site.parameter.name: site.parameter for site in select(model).sites}
    gates = ("i input", "f forget", "g cell", "o output")
    assert found["lstm.weight_ih_l0"].blocks == found["lstm.bias_hh_l0"].blocks == gates
    assert found["lstm.weight_hr_l0"].blocks == found["rnn.weight_ih_l0"].blocks == ()
    assert found["gru.weight_hh"].blocks == ("r reset", "z update", "n new")
    assert found["attention.in_proj_weight"].blocks == ("q query", "k key", "v value")
    assert found["attention.in_proj_weight"].heads == 4
    assert found["attention.out_proj.bias"].blocks == ()
    assert found["words.weight"].padding_index == 3


def test_tied_weights_are_shown_once_with_their_aliases() -> None:
    model = nn.ModuleDict({"embedding": nn.Embedding(10, 8), "head": nn.Linear(8, 10, bias=False)})
    model["head"].weight = model["embedding"].weight
    (site,) = select(model).sites
    assert site.parameter.name == "embedding.weight"
    assert site.parameter.aliases == ("head.weight",)
    assert names(select(model, Choice(layers=["head.weight"]))) == ["embedding.weight"]


def test_wrappers_leave_no_trace_in_names() -> None:
    model = mlp()
    model.compile()
    wrapped = torch.compile(model)
    assert isinstance(wrapped, nn.Module)
    assert names(select(wrapped)) == ["0.weight", "0.bias", "2.weight", "2.bias"]


def test_pictures_go_to_matrices_from_first_to_last_then_to_vectors() -> None:
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(20)))
    pictured = [site.parameter.name for site in select(model, Choice(max_layers=5)).sites if site.parameter.pictured]
    assert pictured == ["0.weight", "5.weight", "10.weight", "14.weight", "19.weight"]
    assert all(site.parameter.pictured for site in select(mlp(), Choice(max_layers=4)).sites)
    assert not any(site.parameter.pictured for site in select(mlp(), Choice(max_layers=0)).sites)


def test_parameters_without_readable_values_are_skipped_with_their_reason() -> None:
    model = nn.ModuleDict({"lazy": nn.LazyLinear(3), "meta": nn.Linear(2, 2, device="meta"), "real": nn.Linear(2, 2)})
    model.register_parameter("whole", nn.Parameter(torch.zeros(2, dtype=torch.int8), requires_grad=False))
    selection = select(model)
    assert names(selection) == ["real.weight", "real.bias"]
    assert "lazy" in selection.skipped["lazy.weight"]
    assert "meta" in selection.skipped["meta.weight"]
    assert "torch.int8" in selection.skipped["whole"]


def test_a_scalar_of_a_module_of_ones_own_is_shown() -> None:
    model = nn.Module()
    model.register_parameter("scale", nn.Parameter(torch.tensor(2.5)))
    assert names(select(model)) == ["scale"]


def test_complex_parameters_are_shown_as_pairs() -> None:
    model = nn.Module()
    model.register_parameter("spectrum", nn.Parameter(torch.zeros(3, 5, dtype=torch.complex64)))
    (site,) = select(model).sites
    assert site.parameter.shape == (3, 5, 2)
    # One matrix of pairs, as of any other layer: no stack of three matrices of five by two.
    assert (site.parameter.stacked, site.parameter.matrix_shape, site.parameter.units) == (1, (3, 10), 3)


def test_parametrized_weights_are_read_where_they_are_kept() -> None:
    layer = torch.nn.utils.parametrizations.spectral_norm(nn.Linear(6, 4))
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    selection = select(layer)
    assert "parametrizations.weight.original" in names(selection)
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


def test_the_head_is_the_last_linear_or_pointwise_convolution() -> None:
    assert head_of(mlp()).name == "2.weight"
    segmentation = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 5, 1))
    head = head_of(segmentation)
    assert (head.name, head.classes, head.chain) == ("1.weight", 5, ())
    assert select(nn.Conv2d(3, 8, 3)).heads == ()


def test_an_attention_projection_is_no_head() -> None:
    assert select(nn.MultiheadAttention(8, 2)).heads == ()


def test_the_head_can_be_named() -> None:
    model = nn.ModuleDict({"classify": nn.Linear(8, 4), "reconstruct": nn.Linear(8, 16)})
    assert head_of(model, head="classify.weight").classes == 4
    with pytest.raises(ValueError, match=r"'classify'.*not a parameter.*classify\.weight, reconstruct\.weight"):
        select(model, Choice(head="classify"))
    with pytest.raises(ValueError, match=r"classify\.bias.*rows"):
        select(model, Choice(head="classify.bias"))


def test_a_chain_of_linear_layers_leads_back_to_the_input() -> None:
    head = head_of(mlp())
    assert [name for name, _ in head.chain] == ["0", "2"]
    assert (head.input_shape, head.input_shape_given) == ((1, 28, 28), False)
    given = head_of(mlp(), input_shape=(1, 14, 56))
    assert (given.input_shape, given.input_shape_given) == ((1, 14, 56), True)


def test_an_input_shape_that_does_not_fit_is_told() -> None:
    with pytest.warns(UserWarning, match="784 values"):
        assert head_of(mlp(), input_shape=(1, 28, 29)).chain == ()


@pytest.mark.parametrize(
    "model",
    [
        nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(784, 10)),
        nn.Sequential(nn.Linear(784, 8), nn.LayerNorm(8), nn.Linear(8, 10)),
        nn.Sequential(nn.Linear(784, 8), nn.Linear(4, 10)),
    ],
)
def test_networks_that_are_no_chain_have_no_templates(model: nn.Module) -> None:
    assert head_of(model).chain == ()


@pytest.mark.parametrize(
    ("module", "expected"),
    [(nn.BCEWithLogitsLoss(), True), (nn.MultiLabelSoftMarginLoss(), True), (nn.CrossEntropyLoss(), False)],
)
def test_several_answers_at_once_are_told_by_the_loss(module: nn.Module, expected: bool) -> None:
    head = head_of(nn.ModuleDict({"fc": nn.Linear(4, 3), "loss": module}))
    assert head.multi_label == expected


def test_several_answers_at_once_are_told_by_a_metric() -> None:
    metric = MultilabelAccuracy(num_labels=3)
    head = head_of(nn.ModuleDict({"fc": nn.Linear(4, 3), "metric": metric}))
    assert head.multi_label
