"""`lstmgen verify CELL --against` with torch: layers, functions on tensors, detached paths."""

from __future__ import annotations

import re
from typing import Any

import pytest
import wrong_cells

import lstmgen
from lstmgen.errors import UsageError
from lstmgen.verification.against import compare, compare_with

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        ("lstm", "torch.nn:LSTM"),
        ("lstm_np", "torch.nn:LSTM"),
        ("lstm", "torch.nn:LSTMCell"),
        ("gru_reset_after", "torch.nn:GRU"),
        ("gru_reset_after", "torch.nn:GRUCell"),
        ("rnn", "torch.nn:RNN"),
    ],
)
def test_layers_of_torch_pass(cell: str, name: str) -> None:
    report = compare(lstmgen.load(cell), name)
    assert report.ok, str(report)
    assert report.title().endswith("a torch module, in float64")
    assert {c.check for c in report.checks} == {"output", "state", "gradient by autograd"}


@pytest.mark.parametrize("cell", ["gru", "gru_reset_before"])
def test_that_torch_resets_after_the_product_is_said(cell: str) -> None:
    report = compare(lstmgen.load(cell), "torch.nn:GRU")
    first = report.agreements[0]
    assert first.what == "r[t] multiplies after the product with h_{t-1}, not before"
    assert first.parts == "outputs, states and gradients" and first.error < 1e-12


def test_a_layer_of_given_sizes_is_taken_as_it_is() -> None:
    for layer in (torch.nn.LSTM(3, 6, batch_first=True), torch.nn.LSTM(2, 5).half()):
        before = {name: p.clone() for name, p in layer.named_parameters()}
        report = compare_with(lstmgen.load("lstm"), layer, "mine")
        assert report.ok, str(report)
        assert f"H={layer.hidden_size} D={layer.input_size}" in report.checks[0].detail
        assert all(torch.equal(before[name], p) for name, p in layer.named_parameters())
    projected = torch.nn.LSTM(3, 5, proj_size=2)
    assert compare_with(lstmgen.load("lstm_projected"), projected).ok


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (torch.nn.LSTM(2, 3, 2), "expected one layer and one direction"),
        (torch.nn.LSTM(2, 3, bidirectional=True), "expected one layer and one direction"),
        (torch.nn.LSTM(2, 200), "162,400? numbers|numbers are too many"),
        (torch.nn.LSTM(2, 3, bias=False), "bias_ih_l0"),
        (torch.nn.Linear(2, 3), "must say its sizes"),
        (torch.nn.GRU, "its parameters are weight_ih_l0.* those of the cell lstm are W_f"),
    ],
)
def test_layers_that_cannot_be_compared_are_refused(layer: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        compare_with(lstmgen.load("lstm"), layer, "mine")


class Stacked(torch.nn.Module):
    """An LSTM as people write it: gates in one stack, in the order i, f, o, g, not i, f, g, o."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.weight_ih = torch.nn.Parameter(torch.zeros(4 * hidden_size, input_size))
        self.weight_hh = torch.nn.Parameter(torch.zeros(4 * hidden_size, hidden_size))
        self.bias = None
        self.bias_ih = torch.nn.Parameter(torch.zeros(4 * hidden_size))
        self.bias_hh = torch.nn.Parameter(torch.zeros(4 * hidden_size))

    def forward(self, x: Any, state: Any) -> Any:
        h, c = state
        outputs = []
        for x_t in x:
            a = x_t @ self.weight_ih.T + h @ self.weight_hh.T + self.bias_ih + self.bias_hh
            i, f, o, g = a.chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        return torch.stack(outputs), (h, c)


class Named(torch.nn.Module):
    """A plain network; its parameters have the cell's names, and its state has torch's axes."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.W = torch.nn.Parameter(torch.zeros(hidden_size, hidden_size + input_size))
        self.b = torch.nn.Parameter(torch.zeros(hidden_size))

    def forward(self, x: Any, state: Any) -> Any:
        h = state[0]  # of (1, B, H); of (B, H) this would be the first row
        outputs = []
        for x_t in x:
            h = torch.tanh(torch.cat([h, x_t], 1) @ self.W.T + self.b)
            outputs.append(h)
        return torch.stack(outputs), h[None]


def test_a_stack_in_another_order_is_named() -> None:
    report = compare_with(lstmgen.load("lstm"), Stacked)
    first = report.agreements[0]
    assert first.what == (
        "the stacked parameters of f, i, C_tilde, o are taken in the order f, i, o, C_tilde"
    )
    assert first.parts == "outputs, states and gradients"


def test_of_the_ways_to_hand_a_state_over_the_one_that_fits_is_taken() -> None:
    assert compare_with(lstmgen.load("rnn"), Named).ok
    wrapped = torch.nn.Module()
    wrapped.cell, wrapped.input_size, wrapped.hidden_size = Named(2, 3), 2, 3
    wrapped.forward = wrapped.cell.forward
    assert compare_with(lstmgen.load("rnn"), wrapped).ok


def on_tensors(detach: str) -> Any:
    """The cell `lstm` as a function on tensors, with one path cut."""

    def lstm(p: Any, x: Any, state: Any) -> Any:
        h, c = state["h"], state["C"]
        outputs = []
        for x_t in x:
            if detach in ("h", "both"):
                h = h.detach()
            if detach in ("C", "both", "C, h in f"):
                c = c.detach()
            z = torch.cat([h, x_t], 1)
            cut = {
                g: torch.cat([h.detach(), x_t], 1)
                for g in "fio"
                if g in detach.rpartition("h in ")[2] and "h in" in detach
            }
            f, i, o = (torch.sigmoid(cut.get(g, z) @ p[f"W_{g}"].T + p[f"b_{g}"]) for g in "fio")
            new = torch.tanh(z @ p["W_C"].T + p["b_C"])
            c = (f.detach() if detach == "value f" else f) * c + i * new
            h = o * torch.tanh(c.detach() if detach == "C to H" else c)
            outputs.append(h)
        return torch.stack(outputs), {"h": h, "C": c}

    return lstm


@pytest.mark.parametrize(
    ("detach", "what", "origins"),
    [
        ("both", r"the state \(h\[t-1\], C\[t-1\]\) is detached: no gradient passes", "δ20 δ21"),
        ("h", r"^h\[t-1\] is detached wherever it is used", "δ20"),
        ("C", r"^C\[t-1\] is detached", "δ21"),
        ("value f", r"^f\[t\] is detached", "δ9 δ10"),
        ("C to H", r"^C\[t\] is detached", "δ4"),
        ("h in f, i", r"^detached are h\[t-1\] in equations \(1\), \(2\)$", "δ20"),
        ("C, h in f", r"^detached are h\[t-1\] in equation \(1\) and C\[t-1\] wherever", "δ20 δ21"),
    ],
)
def test_a_detached_path_is_named(detach: str, what: str, origins: str) -> None:
    report = compare_with(lstmgen.load("lstm"), on_tensors(detach), "mine")
    assert [c for c in report.checks if c.check in ("output", "state") and not c.passed] == []
    first = report.agreements[0]
    assert re.search(what, first.what), first.what
    assert first.parts == "gradients" and first.error < 1e-12
    assert {*origins.split()} <= {origin.label for origin in report.origins}
    assert len(report.origins) < 10


def test_functions_on_tensors() -> None:
    report = compare_with(lstmgen.load("lstm"), on_tensors(""), "mine")
    assert report.ok and report.title().endswith("a function on torch tensors, in float64")

    @torch.no_grad()
    def without_gradients(p: Any, x: Any, state: Any) -> Any:
        return on_tensors("")(p, x, state)

    report = compare_with(lstmgen.load("lstm"), without_gradients)
    assert report.ok and "gradient by differences" in {c.check for c in report.checks}
    # A function on arrays in a file that uses torch, too.
    assert compare_with(lstmgen.load("lstm"), lambda *a: wrong_cells.lstm(*a)).ok


def test_scalar_inputs() -> None:
    def masked(p: Any, x: Any, state: Any, detach: bool = False) -> Any:
        h, outputs = state["h"], []
        for x_t, m_t in zip(x["x"], x["m"], strict=True):
            new = torch.tanh(x_t @ p["W"].T)
            h = m_t * new + (1 - m_t) * (h.detach() if detach else h)
            outputs.append(h)
        return torch.stack(outputs), {"h": h}

    h, x, W = lstmgen.symbols("h x W")
    m, t = lstmgen.scalars("m"), lstmgen.t
    equation = lstmgen.Eq(h[t], m[t] * lstmgen.tanh(W @ [x[t]]) + (1 - m[t]) * h[t - 1])
    cell = lstmgen.Cell("masked", equation)
    assert compare_with(cell, masked).ok
    report = compare_with(cell, lambda p, x, state: masked(p, x, state, detach=True))
    assert report.agreements[0].what.startswith("h[t-1] is detached wherever it is used: no grad")


def test_what_makes_float32_inside_is_compared_in_float32() -> None:
    def single(p: Any, x: Any, state: Any) -> Any:
        y, last = on_tensors("")(p, x, state)
        return y @ torch.eye(y.shape[-1]), last

    report = compare_with(lstmgen.load("lstm"), single, "mine")
    assert report.ok and report.title().endswith("in float32")
