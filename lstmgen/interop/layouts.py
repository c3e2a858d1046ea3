"""How PyTorch, Keras, ONNX and Flax lay weights out, and where they are in a cell: all data.

A framework stacks the matrices of its gates.  Gates are named as PyTorch does: i, f, g (candidate),
o for an LSTM, r, z, n (candidate) for a GRU, h for a plain network.  In all these frameworks a
GRU's z keeps the old state, h_t = (1 - z_t) n_t + z_t h_{t-1}.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["CELLS", "LAYOUTS", "CellLayout", "Gate", "Layout"]


@dataclass(frozen=True, slots=True)
class Gate:
    """Where a cell keeps what belongs to one gate; names of parameters.

    Attributes:
        input, recurrent: the matrices whose blocks multiply x_t and the state; may be the same.
        bias: the bias, or None if the cell has none there.
        recurrent_bias: a second bias, inside the product with the reset gate.
        peephole: the diagonal peephole.
        sign: -1 if the cell's gate is 1 minus the framework's: sigma(-a) = 1 - sigma(a), so that
            all its numbers change their signs.
    """

    input: str
    recurrent: str
    bias: str | None = None
    recurrent_bias: str | None = None
    peephole: str | None = None
    sign: int = 1


@dataclass(frozen=True, slots=True)
class CellLayout:
    """A built-in cell's parameters as gates.

    Attributes:
        kind: what the cell is, as `Layout.kind`.
        gates: by the framework's name; a gate that is missing has no numbers of its own.
        projection: the matrix that makes the smaller state, if there is one.
    """

    kind: str
    gates: Mapping[str, Gate] = field(hash=False)
    projection: str | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """How one framework lays out one kind of cell.

    Attributes:
        framework: "torch", "keras", "onnx" or "flax".
        kind: "rnn"; "lstm", "peephole", "coupled" (f = 1 - i), "projected"; "gru reset before" or
            "gru reset after" (the product with the recurrent matrix).
        operator: the layer or operator.
        attributes: what must be set on it.
        order: the gates from the first rows (Keras: columns) to the last.
        biases: how many biases each gate has: two are added, but for the candidate of a GRU that
            resets after the product.
        peepholes: the order of the gates' peepholes, if there are any.
    """

    framework: str
    kind: str
    operator: str
    order: tuple[str, ...]
    attributes: Mapping[str, object] = field(default_factory=dict, hash=False)
    biases: int = 2
    peepholes: tuple[str, ...] = ()


_TORCH_LSTM = ("i", "f", "g", "o")
_ONNX_LSTM = ("i", "o", "f", "g")
_P = ("i", "o", "f")
_RESET_BEFORE = {"linear_before_reset": 0}
_RESET_AFTER = {"linear_before_reset": 1}

LAYOUTS = (
    Layout("torch", "rnn", "torch.nn.RNN", ("h",), {"nonlinearity": "tanh"}),
    Layout("torch", "lstm", "torch.nn.LSTM", _TORCH_LSTM),
    Layout("torch", "projected", "torch.nn.LSTM", _TORCH_LSTM, {"proj_size": "P"}),
    Layout("torch", "gru reset after", "torch.nn.GRU", ("r", "z", "n")),
    Layout("keras", "rnn", "keras.layers.SimpleRNN", ("h",), {"activation": "tanh"}, 1),
    Layout("keras", "lstm", "keras.layers.LSTM", ("i", "f", "g", "o"), biases=1),
    Layout(
        "keras", "gru reset before", "keras.layers.GRU", ("z", "r", "n"), {"reset_after": False}, 1
    ),
    Layout("keras", "gru reset after", "keras.layers.GRU", ("z", "r", "n"), {"reset_after": True}),
    Layout("onnx", "rnn", "RNN", ("h",)),
    Layout("onnx", "lstm", "LSTM", _ONNX_LSTM, peepholes=_P),
    Layout("onnx", "peephole", "LSTM", _ONNX_LSTM, peepholes=_P),
    Layout("onnx", "coupled", "LSTM", _ONNX_LSTM, {"input_forget": 1}, peepholes=_P),
    Layout("onnx", "gru reset before", "GRU", ("z", "r", "n"), _RESET_BEFORE),
    Layout("onnx", "gru reset after", "GRU", ("z", "r", "n"), _RESET_AFTER),
    Layout("flax", "rnn", "flax SimpleCell", ("h",)),
    Layout("flax", "lstm", "flax LSTMCell", _TORCH_LSTM),
    Layout("flax", "gru reset after", "flax GRUCell", ("r", "z", "n")),
)


def _separate(recurrent: str, *names: str, peepholes: str = "") -> dict[str, Gate]:
    """Gates "i=i", "g=c" with W_i, `recurrent`_i, b_i, and for some p_i."""
    pairs = (name.split("=") for name in names)
    return {
        gate: Gate(
            f"W_{own}",
            f"{recurrent}_{own}",
            f"b_{own}",
            peephole=f"p_{own}" if own in peepholes else None,
        )
        for gate, own in pairs
    }


def _together(*names: str) -> dict[str, Gate]:
    """Gates "i=i", "g=C" with one matrix for [h, x], W_i, and b_i."""
    pairs = (name.split("=") for name in names)
    return {gate: Gate(f"W_{own}", f"W_{own}", f"b_{own}") for gate, own in pairs}


CELLS: Mapping[str, CellLayout] = {
    "rnn": CellLayout("rnn", {"h": Gate("W", "W", "b")}),
    "lstm": CellLayout("lstm", _together("i=i", "f=f", "g=C", "o=o")),
    "lstm_np": CellLayout("lstm", _separate("R", "i=i", "f=f", "g=z", "o=o")),
    "lstm_projected": CellLayout(
        "projected", _separate("U", "i=i", "f=f", "g=g", "o=o"), projection="W_rm"
    ),
    "peephole_diagonal": CellLayout(
        "peephole", _separate("U", "i=i", "f=f", "g=c", "o=o", peepholes="ifo")
    ),
    "lstm_cifg": CellLayout("coupled", _separate("R", "i=i", "g=z", "o=o", peepholes="io")),
    # The post learns f and takes 1 - f for i.
    "coupled": CellLayout(
        "coupled",
        {
            "i": Gate("W_f", "W_f", "b_f", sign=-1),
            "g": Gate("W_C", "W_C", "b_C"),
            "o": Gate("W_o", "W_o", "b_o"),
        },
    ),
    # The post's z takes the candidate: 1 minus that of the frameworks.
    "gru": CellLayout(
        "gru reset before",
        {"z": Gate("W_z", "W_z", sign=-1), "r": Gate("W_r", "W_r"), "n": Gate("W", "W")},
    ),
    "gru_reset_before": CellLayout(
        "gru reset before",
        {**_separate("U", "z=z", "r=r"), "n": Gate("W", "U", "b")},
    ),
    "gru_reset_after": CellLayout(
        "gru reset after",
        {
            "z": Gate("W_z", "W_z", "b_z"),
            "r": Gate("W_r", "W_r", "b_r"),
            "n": Gate("W_n", "U_n", "b_n", "c_n"),
        },
    ),
}
"""The built-in cells that a framework has too."""
