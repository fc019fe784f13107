"""How large weights are as PyTorch starts them, of layers whose default start is known."""

from __future__ import annotations

import math

from lightning_weightviz.snapshot import Parameter

GATES = {"LSTM": 4, "LSTMCell": 4, "GRU": 3, "GRUCell": 3, "RNN": 1, "RNNCell": 1}
UNIFORM_BY_INPUTS = {"Linear", "NonDynamicallyQuantizableLinear"} | {
    f"{module}{dimensions}d" for module in ("Conv", "ConvTranspose") for dimensions in (1, 2, 3)
}


def default_rms(parameter: Parameter) -> float | None:
    """Root mean square of a weight as PyTorch 2 starts it; None where that is not known.

    A uniform distribution of ±a has a / √3. Sources: `reset_parameters` of these modules. Linear and convolutions take
    ``kaiming_uniform_(a=√5)``, which is a = 1/√fan_in; recurrent layers a = 1/√hidden; the projections of
    `MultiheadAttention` Xavier's a = √(6 / (inputs + outputs)); embeddings a normal distribution.

    Args:
        parameter: Whose.

    >>> default_rms(Parameter("fc.weight", "linear", "Linear", (10, 300), "float32", "matrix"))
    0.03333333333333333
    """
    name, shape, module = parameter.name.rpartition(".")[2], parameter.shape, parameter.module
    # Those of other frameworks are called otherwise, or lie the other way round.
    if parameter.kept_shape or len(shape) < 2 or parameter.size == 0:
        return None
    if name == "weight" and module in UNIFORM_BY_INPUTS:
        return 1 / math.sqrt(3 * math.prod(shape[1:]))
    if name == "weight" and module == "Embedding":
        return 1.0
    if name == "in_proj_weight" and module == "MultiheadAttention":
        return math.sqrt(2 / (shape[0] + shape[1]))
    if name.startswith(("weight_ih", "weight_hh")) and module in GATES:
        return 1 / math.sqrt(3 * (shape[0] / GATES[module]))
    return None
