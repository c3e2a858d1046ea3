"""Every built-in cell as a layer: what it computes, its gradients, its options."""

from __future__ import annotations

import numpy as np
import pytest
from needs import missing
from torch_layers import (
    B,
    Recurrent,
    T,
    as_state,
    computed_by,
    engines,
    flat,
    initial,
    inputs,
    layer,
    torch,
)

import lstmgen
from lstmgen import Cell, Eq, load, scalars, symbols, t, tanh, targets
from lstmgen.library.files import built_in_names

CELLS = [(name, "numpy") for name in built_in_names()]
CELLS += [(name, "c") for name in ("peephole", "lstmp", "fast_rnn", "zoneout_lstm", "qrnn_fo")]


@pytest.mark.parametrize(("name", "target"), CELLS)
def test_every_cell(name: str, target: str) -> None:
    if target == "c":
        try:
            targets.get(target).check_available("cpu")
        except lstmgen.UnavailableError as error:
            missing(error)
    with computed_by(target):
        made = layer(name, hidden_size=3)
    assert f"computed by {target}" in repr(made)
    x, state = inputs(made), initial(made)
    xs = list(x.values()) if isinstance(x, dict) else [x]

    # The layer computes what the module does, to the last bit.
    module = lstmgen.compile(load(name), target)
    params = {p: getattr(made, f"{p}_l0").detach().numpy() for p in module.PARAMETERS}
    arrays = [a.detach().numpy() for a in xs]
    given = {s: a[0].detach().numpy() for s, a in zip(module.STATES, state, strict=True)}
    named = dict(zip(module.INPUTS, arrays, strict=True))
    y, last, _ = module.forward(params, named if len(xs) > 1 else arrays[0], given)
    wanted = [y, *(last[s][None] for s in module.STATES)]
    for a, b in zip(flat(made(x, as_state(state))), wanted, strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b)
    zeros = as_state([s * 0 for s in state])
    for a, b in zip(flat(made(x)), flat(made(x, zeros)), strict=True):
        assert torch.equal(a, b)

    def compute(*tensors: object) -> tuple[object, ...]:
        given = tensors[: len(xs)]
        x = dict(zip(made.cell.inputs, given, strict=True)) if len(xs) > 1 else given[0]
        return tuple(flat(made(x, as_state(list(tensors[len(xs) : len(xs) + len(state)])))))

    torch.autograd.gradcheck(compute, (*xs, *state, *made.parameters()))


@pytest.mark.parametrize("name", ["peephole", "lstm_projected", "qrnn_fo", "zoneout_lstm", "lem"])
def test_layers_and_directions_are_the_single_ones_put_together(name: str) -> None:
    made = layer(name, num_layers=2, bidirectional=True)
    x, state = inputs(made), initial(made)
    found = flat(made(x, as_state(state)))
    assert {len(s) for s in found[1:]} == {4}
    given, lasts = x, []
    fed = made.cell.inputs[made._fed]
    for k in range(2):
        outputs = []
        for direction in range(2):
            sizes = made.layer_sizes[k]
            single = Recurrent(
                made.cell,
                dict(zip(made.cell.inputs, sizes.inputs, strict=True)),
                made.hidden_size,
                dtype=torch.float64,
                **made.sizes,
            )
            suffix = f"_l{k}" + "_reverse" * direction
            with torch.no_grad():
                for p in made.cell.parameters:
                    getattr(single, f"{p}_l0").copy_(getattr(made, p + suffix))

            def turn(x, direction=direction):
                if isinstance(x, dict):
                    return {name: turn(a, direction) for name, a in x.items()}
                return x.flip(0) if direction else x

            first = [s[2 * k + direction][None] for s in state]
            y, *last = flat(single(turn(given), as_state(first)))
            outputs.append(turn(y))
            lasts.append(last)
        output = torch.cat(outputs, 2)
        given = {**given, fed: output} if isinstance(given, dict) else output
    assert torch.equal(found[0], output)
    for a, b in zip(found[1:], zip(*lasts, strict=True), strict=True):
        assert torch.equal(a, torch.cat(b))


def test_the_arrangement_of_batches() -> None:
    made = layer("peephole", num_layers=2, bidirectional=True, batch_first=True)
    x, state = inputs(made, B, T), initial(made)
    output, last = made(x, tuple(state))
    rows = [made(x[b], tuple(s[:, b] for s in state)) for b in range(B)]  # no batch
    torch.testing.assert_close(output, torch.stack([y for y, _ in rows]))
    for a, b in zip(last, zip(*(s for _, s in rows), strict=True), strict=True):
        torch.testing.assert_close(a, torch.stack(b, 1))
    made.batch_first = False
    by_time = made(x.transpose(0, 1), tuple(state))
    assert torch.equal(by_time[0], output.transpose(0, 1))


@pytest.mark.parametrize(("steps", "rows"), [(0, 3), (4, 0), (0, 0)])
def test_no_steps_and_no_rows(steps: int, rows: int) -> None:
    made = layer("peephole", num_layers=2, bidirectional=True)
    x, state = inputs(made, steps, rows), initial(made, rows)
    output, last = made(x, tuple(state))
    assert output.shape == (steps, rows, 10)
    if not steps:
        for a, b in zip(last, state, strict=True):
            assert torch.equal(a, b)
            assert not rows or a.data_ptr() != b.data_ptr()
    (output.sum() + sum(s.sum() for s in last)).backward()
    assert x.grad.shape == x.shape and not made.W_f_l1_reverse.grad.any()


def test_a_cell_from_a_file_and_from_python(tmp_path) -> None:
    path = tmp_path / "leaky.tex"
    path.write_text(r"\begin{align} h_t &= \tanh(W [h_{t-1}, x_t] + b) \end{align}")
    h, x, W, b = symbols("h x W b")
    cell = Cell("mine", Eq(h[t], tanh(W @ [h[t - 1], x[t]] + b)))
    made = [layer("rnn"), Recurrent(path, 2, 5, dtype=torch.float64), layer(cell)]
    with torch.no_grad():
        made[1].load_state_dict(made[0].state_dict())
    x = inputs(made[0])
    for other in made[1:]:
        assert all(torch.equal(a, b) for a, b in zip(made[0](x)[0], other(x)[0], strict=True))


def test_inputs_of_one_number() -> None:
    h, x, W, b = symbols("h x W b")
    m = scalars("m")
    cell = Cell("held", Eq(h[t], m[t] * tanh(W @ [h[t - 1], x[t]] + b) + (1 - m[t]) * h[t - 1]))
    made = layer(cell, num_layers=2, bidirectional=True, batch_first=True)
    given = inputs(made, B, T)
    flat_m = {**given, "m": given["m"].squeeze(-1)}
    assert given["m"].shape == (B, T, 1) and given["x"].shape == (B, T, 2)
    output = made(given)[0]
    assert torch.equal(output, made(flat_m)[0])
    row = {name: a[1] for name, a in flat_m.items()}
    torch.testing.assert_close(made(row)[0], output[1])

    def compute(m, x):
        return made({"m": m, "x": x})[0]

    torch.autograd.gradcheck(compute, (given["m"], given["x"]))
    with pytest.raises(ValueError, match=r"x\['x'\]: expected as many steps and rows as x\['m'\]"):
        made({**given, "m": given["m"][:, :1]})
    with pytest.raises(ValueError, match="m of held is one number, so expected 1, got 2"):
        Recurrent(cell, {"x": 2, "m": 2}, 5)
    with pytest.raises(TypeError, match="x: expected a dict of m, x, got Tensor"):
        made(given["x"])


def test_parameters_start_as_torchs_do() -> None:
    made = Recurrent("fast_rnn", 30, 25)
    for name, parameter in made.named_parameters():
        if parameter.dim():
            assert parameter.abs().max() <= 0.2 and parameter.std() > 0.09, name
        else:
            assert parameter == 1
    torch.manual_seed(4)
    made.reset_parameters()
    before = {n: p.clone() for n, p in made.named_parameters()}
    torch.manual_seed(4)
    made.reset_parameters()
    assert all(torch.equal(p, before[n]) for n, p in made.named_parameters())
    module = lstmgen.compile(load("fast_rnn"), "numpy")
    theirs = module.init_params(30, 25)
    assert {n.removesuffix("_l0"): tuple(p.shape) for n, p in before.items()} == {
        n: a.shape for n, a in theirs.items()
    }
    assert all(np.abs(a).max() <= 0.2 for a in theirs.values() if a.ndim)


def test_what_it_says_of_itself() -> None:
    made = Recurrent("lstm_projected", 3, 5, 2, batch_first=True, dropout=0.1, P=4)
    assert "computed by numpy" in repr(made) or "computed by c" in repr(made)
    assert repr(made).startswith(
        "Recurrent(lstm_projected, 3, 5, num_layers=2, batch_first=True, dropout=0.1, P=4, "
    )
    assert [n for n, _ in Recurrent("rnn", 3, 5, 2, bidirectional=True).named_parameters()] == [
        "W_l0", "b_l0", "W_l0_reverse", "b_l0_reverse",
        "W_l1", "b_l1", "W_l1_reverse", "b_l1_reverse",
    ]  # fmt: skip


def test_dropout_between_layers_is_torchs() -> None:
    theirs = torch.nn.LSTM(3, 5, num_layers=3, dropout=0.5, dtype=torch.float64)
    ours = Recurrent.from_torch(theirs)
    x = torch.randn(6, 4, 3, dtype=torch.float64)
    for training in (True, False):
        outputs = []
        for made in (theirs, ours):
            made.train(training)
            torch.manual_seed(0)
            outputs.append(made(x)[0])
        torch.testing.assert_close(*outputs)
    assert (outputs[0] != 0).all()


def test_a_packages_target_of_higher_rank_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ours(type(targets.get("numpy"))):
        name, rank = "ours", 7

    class Other(Ours):
        name, tensors = "other", None

    known = {**targets.available()[0], "other": Other(), "ours": Ours()}
    monkeypatch.setattr(targets, "available", lambda: (known, ()))
    engines.ranked.cache_clear()
    try:
        assert "computed by ours" in repr(layer("rnn"))
    finally:
        engines.ranked.cache_clear()


def test_dropout_of_one_layer_warns_as_torchs_does() -> None:
    for make in (torch.nn.LSTM, lambda *sizes, **options: Recurrent("lstm", *sizes, **options)):
        with pytest.warns(UserWarning, match=r"dropout=0.5 .*num_layers=1"):
            make(3, 5, dropout=0.5)


WRONG = [
    (lambda m, x: m(x[..., :1]), ValueError, r"x: expected \(T, B, 2\), or \(T, 2\), got"),
    (lambda m, x: m(x[0, 0]), ValueError, "x: expected"),
    (lambda m, x: m(x.float()), TypeError, "x: expected torch.float64 like the layer's"),
    (lambda m, x: m(x.detach().numpy()), TypeError, "x: expected a tensor, got ndarray"),
    (lambda m, x: m({"y": x}), ValueError, r"x: expected a dict of x, got \['y'\]"),
    (lambda m, x: m(x.to("meta")), ValueError, "x: expected a tensor on cpu, got meta"),
    (lambda m, x: m(x, x), TypeError, "state: expected a tuple of h, C, got Tensor"),
    (lambda m, x: m(x, (x,)), TypeError, "state: expected a tuple of h, C, got 1 tensors"),
    (lambda m, x: m(x, (x, x)), ValueError, r"state h: expected shape \(1, 3, 5\), got"),
    (lambda m, x: m(x, lengths=[1, 2]), ValueError, r"lengths: expected shape \(3,\), got \(2,\)"),
    (lambda m, x: m(x, lengths=[1.0] * 3), TypeError, "lengths: expected whole numbers"),
    (lambda m, x: m(x, restart=x), TypeError, "restart: expected a tensor of torch.bool"),
    (lambda m, x: m(x, restart=x[..., 0].T > 0), ValueError, r"restart: expected shape \(4, 3\)"),
    (lambda m, x: m.half()(x), TypeError, "parameters are torch.float16: it computes in"),
]


@pytest.mark.parametrize(("call", "kind", "message"), WRONG)
def test_arguments_that_do_not_fit(call, kind, message) -> None:
    made = layer("peephole")
    with pytest.raises(kind, match=message):
        call(made, inputs(made))


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("rnn", 0, 5), {}, "input_size: expected at least 1, got 0"),
        (("rnn", 2, 5.0), {}, "hidden_size: expected a whole number, got 5.0"),
        (("mut1", 2, 5), {}, "input_size: x of mut1 is combined with vectors of size H"),
        (("lstm_projected", 2, 5), {}, "lstm_projected has a size P of its own; give P="),
        (("rnn", 2, 5), {"P": 3}, "P: rnn has no size of its own"),
        (("rnn", {"y": 2}, 5), {}, "input_size: rnn has the inputs x, not 'y'"),
        (("rnn", 2, 5, 0), {}, "num_layers: expected a whole number from 1"),
        (("rnn", 2, 5), {"dropout": 2}, "dropout: expected a share"),
        (("rnn", 2, 5), {"dropout": "half"}, "dropout: expected a share from 0 to 1, got 'half'"),
        ((torch.nn.LSTM, 2, 5), {}, "cell: expected a built-in cell's name, a file or a Cell, got"),
        (("rnn", 2, 5), {"dtype": torch.float16}, "dtype: expected torch.float32"),
        (("mut1", 5, 5, 2), {"bidirectional": True}, "x of mut1 is combined with"),
    ],
)
def test_layers_that_cannot_be(arguments, options, message) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        Recurrent(*arguments, **options)
    with pytest.raises(lstmgen.UsageError, match="there is no cell"):
        Recurrent("no_such_cell", 2, 5)
