"""torch's own layers and ours from the same weights: values, gradients, and the way back."""

from __future__ import annotations

import copy
import pickle

import pytest
from torch_layers import Recurrent, computed_by, flat, layer, torch

from lstmgen import Cell, Eq, UsageError, scalars, sigma, symbols, t, tanh

common_modules = pytest.importorskip(
    "torch.testing._internal.common_modules", reason="expecttest is not installed"
)
nn = torch.nn
KINDS = (nn.LSTM, nn.GRU, nn.RNN)


def module_inputs():
    """torch's own test inputs of nn.LSTM, nn.GRU and nn.RNN: with and without state, batch..."""
    for info in common_modules.module_db:
        if info.module_cls not in KINDS:
            continue
        for training in (True, False):
            for given in info.module_inputs_func(
                info, device="cpu", dtype=torch.float64, requires_grad=True, training=training
            ):
                yield info.module_cls, given, training


def assert_same(ours, theirs, arguments) -> None:
    """Outputs, states and the gradients of all arguments and weights are the same."""
    found, wanted = (flat(made(*arguments)) for made in (ours, theirs))
    assert [a.shape for a in found] == [a.shape for a in wanted]
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
    tensors = [arguments[0]]
    if len(arguments) > 1:
        tensors += [arguments[1]] if isinstance(arguments[1], torch.Tensor) else arguments[1]
    losses = [sum(a.sin().sum() for a in some) for some in (found, wanted)]
    gradients = [torch.autograd.grad(loss, tensors, retain_graph=True) for loss in losses]
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)
    # The gradients of weights, as those of torch's layer: a step of the same size in both.
    theirs.zero_grad()
    losses[1].backward(retain_graph=True)
    ours.zero_grad()
    losses[0].backward()
    moved = copy.deepcopy(theirs)
    with torch.no_grad():
        for name, p in moved.named_parameters():
            # torch has two biases where we have one, but for that of the candidate of a GRU.
            second = name.startswith("bias_hh") and not isinstance(theirs, nn.GRU)
            p -= 0 if second else 0.1 * getattr(theirs, name).grad
            if name.startswith("bias_hh") and isinstance(theirs, nn.GRU):
                p[: 2 * theirs.hidden_size] = getattr(theirs, name)[: 2 * theirs.hidden_size]
    wanted_next = Recurrent.from_torch(moved)
    for (name, p), q in zip(ours.named_parameters(), wanted_next.parameters(), strict=True):
        if p.requires_grad:
            torch.testing.assert_close(p - 0.1 * p.grad, q, rtol=1e-10, atol=1e-12, msg=name)
        else:
            assert not theirs.bias and not p.any()


def test_torchs_own_module_inputs() -> None:
    count = 0
    for kind, given, training in module_inputs():
        theirs = kind(*given.constructor_input.args, **given.constructor_input.kwargs).double()
        theirs.train(training)
        if getattr(theirs, "nonlinearity", "tanh") != "tanh":
            with pytest.raises(UsageError, match=r"nonlinearity='relu'.*declare a cell"):
                Recurrent.from_torch(theirs)
            continue
        ours = Recurrent.from_torch(theirs)
        assert ours.training == training
        assert_same(ours, theirs, given.forward_input.args)
        back = ours.to_torch()
        assert type(back) is kind and back.bias == theirs.bias and back.training == training
        for name in ("num_layers", "batch_first", "bidirectional", "proj_size"):
            assert getattr(back, name) == getattr(theirs, name)
        found, wanted = (flat(made(*given.forward_input.args)) for made in (back, theirs))
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
        count += 1
    assert count == 2 * (32 + 16 + 16)


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("kind", [*KINDS, "projected"])
def test_larger_layers(kind) -> None:
    torch.manual_seed(3)
    options = {"proj_size": 3} if kind == "projected" else {}
    kind = nn.LSTM if kind == "projected" else kind
    theirs = kind(7, 6, 3, bidirectional=True, dropout=0.3, dtype=torch.float64, **options).eval()
    ours = Recurrent.from_torch(theirs)
    assert (ours.dropout, ours.num_layers) == (0.3, 3)
    assert_same(ours, theirs, [torch.randn(40, 5, 7, dtype=torch.float64, requires_grad=True)])
    single = Recurrent.from_torch(theirs.float())
    assert next(single.parameters()).dtype == torch.float32
    x = torch.randn(40, 5, 7)
    torch.testing.assert_close(single(x)[0], theirs(x)[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["peephole", "peephole_diagonal", "lstm_np"])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
def test_from_an_lstm_into_a_richer_cell(name: str, options) -> None:
    torch.manual_seed(3)
    theirs = nn.LSTM(4, 6, batch_first=True, dtype=torch.float64, **options)
    ours = Recurrent.from_torch(theirs, name)
    assert ours.cell.name == name and ours.batch_first
    x = torch.randn(3, 9, 4, dtype=torch.float64)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0], rtol=1e-12, atol=1e-14)
    ours(x)[0].sum().backward()  # and it has more to learn than the other
    new = {"peephole": "W_o_l0", "peephole_diagonal": "p_o_l0", "lstm_np": "R_o_l0"}[name]
    assert getattr(ours, new).grad[..., :6].any()
    if name == "peephole":
        assert not ours.W_f_l0[:, :6].any() and ours.W_f_l0[:, 6:].all()


def test_into_cells_of_ones_own() -> None:
    h, C, f, i, C_tilde, o, x = symbols("h C f i C_tilde o x")
    W_f, W_i, W_C, W_o, V_f, b_f, b_i, b_C, b_o, p = symbols(
        "W_f W_i W_C W_o V_f b_f b_i b_C b_o p"
    )
    alpha = scalars("alpha")
    richer = Cell(
        "richer",
        Eq(f[t], sigma(W_f @ [x[t], h[t-1]] + V_f @ C[t-1] + b_f + p)),  # other columns, more terms
        Eq(i[t], sigma(W_i @ [h[t-1], x[t]] + b_i)),
        Eq(C_tilde[t], tanh(W_C @ [h[t-1], x[t]] + b_C)),
        Eq(C[t], f[t] * C[t-1] + i[t] * C_tilde[t] + alpha * C[t-1]),
        Eq(o[t], sigma(W_o @ [h[t-1], x[t]] + b_o)),
        Eq(h[t], o[t] * tanh(C[t])),
    )  # fmt: skip
    torch.manual_seed(3)
    theirs = nn.LSTM(4, 6, dtype=torch.float64)
    ours = Recurrent.from_torch(theirs, richer)
    x = torch.randn(9, 3, 4, dtype=torch.float64)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0], rtol=1e-12, atol=1e-14)
    W_r, W_z, W_n, U_n, b_r, b_z, b_n, c_n, r, z, n = symbols(
        "W_r W_z W_n U_n b_r b_z b_n c_n r z n"
    )
    x = symbols("x")
    delayed = Cell(
        "delayed",
        Eq(r[t], sigma(W_r @ [h[t-1], x[t]] + b_r)),
        Eq(z[t], sigma(W_z @ [h[t-1], x[t]] + b_z)),
        Eq(n[t], tanh(W_n @ [x[t], z[t]] + b_n + r[t] * (U_n @ [h[t-1]] + c_n))),
        Eq(h[t], (1 - z[t]) * n[t] + z[t] * h[t-1]),
    )  # fmt: skip
    theirs = nn.GRU(4, 6, dtype=torch.float64)
    x = torch.randn(9, 3, 4, dtype=torch.float64)
    ours = Recurrent.from_torch(theirs, delayed)
    torch.testing.assert_close(ours(x)[0], theirs(x)[0], rtol=1e-12, atol=1e-14)
    relu = nn.RNN(4, 6, nonlinearity="relu")
    with pytest.raises(UsageError, match="nonlinearity='relu'"):
        Recurrent.from_torch(relu, "rnn")


@pytest.mark.parametrize("name", ["coupled", "gru", "multiplicative_lstm", "gru_reset_before"])
def test_other_functions_are_refused(name: str) -> None:
    for kind in (nn.LSTM, nn.GRU):
        refused = pytest.raises(
            UsageError, match=f"{name} does not compute what nn.{kind.__name__}"
        )
        with computed_by("numpy"), refused:
            Recurrent.from_torch(kind(4, 6), name)
    weights = nn.LSTM(4, 6)
    for parameter in weights.parameters():
        nn.init.zeros_(parameter)
    # Though with these weights both give zeros.
    with computed_by("numpy"), pytest.raises(UsageError):
        Recurrent.from_torch(weights, name)


def test_what_cannot_be_converted() -> None:
    with pytest.raises(TypeError, match=r"expected nn.LSTM, nn.GRU or nn.RNN, got Linear"):
        Recurrent.from_torch(nn.Linear(2, 3))
    with pytest.raises(TypeError, match=r"dtype: expected torch\.float32 or torch\.float64"):
        Recurrent.from_torch(nn.LSTM(2, 3, dtype=torch.bfloat16))
    with pytest.raises(UsageError, match="torch has no layer for the cell peephole; it has some"):
        layer("peephole").to_torch()
    h, x, W, b = symbols("h x W b")
    other = layer(Cell("rnn", Eq(h[t], sigma(W @ [h[t - 1], x[t]] + b))))
    with pytest.raises(UsageError, match="torch has no layer"):
        other.to_torch()


def test_biases_that_are_not_there_and_weights_that_are_not_trained() -> None:
    ours = Recurrent.from_torch(nn.LSTM(2, 3, bias=False))
    assert {n for n, p in ours.named_parameters() if not p.requires_grad} == {
        "b_f_l0", "b_i_l0", "b_C_l0", "b_o_l0",
    }  # fmt: skip
    assert ours.to_torch().bias is False
    frozen = nn.GRU(2, 3).requires_grad_(False)
    ours = Recurrent.from_torch(frozen)
    assert not any(p.requires_grad for p in ours.parameters())
    assert not any(p.requires_grad for p in ours.to_torch().parameters())


def test_copies_and_dtypes() -> None:
    made = layer("peephole", num_layers=2, bidirectional=True, dropout=0.2).eval()
    x = torch.randn(4, 3, 2, dtype=torch.float64)
    wanted = flat(made(x))
    for other in (copy.deepcopy(made), pickle.loads(pickle.dumps(made)), copy.copy(made)):
        assert repr(other) == repr(made)
        assert all(torch.equal(a, b) for a, b in zip(flat(other(x)), wanted, strict=True))
    single = copy.deepcopy(made).to(torch.float32)
    torch.testing.assert_close(single(x.float())[0], wanted[0].float(), rtol=1e-5, atol=1e-6)
    meta = Recurrent("rnn", 2, 3, device="meta", dtype=torch.float64)
    assert "computed by" not in repr(meta)
    empty = meta.to_empty(device="cpu")
    empty.reset_parameters()
    assert empty(x)[0].shape == (4, 3, 3) and "computed by" in repr(empty)
    replica = torch.nn.utils.skip_init(Recurrent, "rnn", 2, 3)
    assert next(replica.parameters()).device.type == "cpu"
