"""Sequences of different length, packed or with lengths, and states that restart."""

from __future__ import annotations

import pytest
from torch_layers import B, Recurrent, as_state, flat, initial, inputs, layer, torch

nn, rnn = torch.nn, torch.nn.utils.rnn
STEPS = 7
LENGTHS = [5, 7, 2]
OPTIONS = {"num_layers": 2, "bidirectional": True}


def assert_close(some, others) -> None:
    for a, b in zip(some, others, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("enforce_sorted", [True, False])
@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN, "projected"])
def test_packed_sequences_as_torch_has_them(kind, enforce_sorted: bool) -> None:
    options = {"proj_size": 3} if kind == "projected" else {}
    kind = nn.LSTM if kind == "projected" else kind
    lengths = sorted(LENGTHS, reverse=True) if enforce_sorted else LENGTHS
    for batch_first in (False, True):
        torch.manual_seed(3)
        more = {**options, "batch_first": batch_first, "dtype": torch.float64}
        theirs = kind(2, 5, **OPTIONS, **more)
        ours = Recurrent.from_torch(theirs)
        x, state = inputs(ours, STEPS, B), initial(ours)
        packed = rnn.pack_padded_sequence(x, torch.tensor(lengths), enforce_sorted=enforce_sorted)
        for given in (None, as_state(state)):
            found, wanted = ours(packed, given), theirs(packed, given)
            assert isinstance(found[0], rnn.PackedSequence)
            assert_close(flat(found), flat(wanted))
            for a, b in zip(found[0][1:], wanted[0][1:], strict=True):
                assert a is b is None or torch.equal(a, b)
            leaves = [x, *(state if given is not None else [])]
            gradients = [
                torch.autograd.grad(
                    sum(a.sin().sum() for a in flat(some)), leaves, retain_graph=True
                )
                for some in (found, wanted)
            ]
            assert_close(*gradients)
            padded, counts = rnn.pad_packed_sequence(found[0])
            assert counts.tolist() == lengths and padded.shape[1] == B
            # The same with lengths.
            by_rows = [a.transpose(0, 1) if batch_first else a for a in (x, padded)]
            again = ours(by_rows[0], given, lengths=lengths)
            assert_close(flat(again), [by_rows[1], *flat(found)[1:]])
    assert_close(flat(ours(packed)), flat(ours.to_torch()(packed)))


@pytest.mark.parametrize("name", ["peephole", "gru", "qrnn_fo", "zoneout_lstm", "lstm_projected"])
def test_each_row_is_as_if_it_were_alone(name: str) -> None:
    made = layer(name, **OPTIONS)
    x, state = inputs(made, STEPS, B, grad=False), initial(made)
    xs = x if isinstance(x, dict) else {made.cell.inputs[0]: x}
    for a in xs.values():
        for b, n in enumerate(LENGTHS):
            a[n:, b] = float("nan")
        a.requires_grad_()
    found = flat(made(x, as_state(state), lengths=torch.tensor(LENGTHS)))
    loss = sum(a.sin().sum() for a in found)
    leaves = [*xs.values(), *state, *made.parameters()]
    gradients = torch.autograd.grad(loss, leaves)

    alone = []
    for b, n in enumerate(LENGTHS):
        row = {k: a[:n, b : b + 1] for k, a in xs.items()}
        given = row if len(row) > 1 else next(iter(row.values()))
        alone.append(flat(made(given, as_state([s[:, b : b + 1] for s in state]))))
    for b, n in enumerate(LENGTHS):
        assert_close([found[0][:n, b : b + 1]], alone[b][:1])
        assert not found[0][n:, b].any()
    assert_close(found[1:], [torch.cat(s, 1) for s in zip(*(a[1:] for a in alone), strict=True)])
    wanted = torch.autograd.grad(sum(a.sin().sum() for row in alone for a in row), leaves)
    assert_close(gradients, wanted)
    for a, d in zip(xs.values(), gradients, strict=False):
        assert not d[a.isnan()].any()


def segments(made, x, state, restart, lengths):
    """The same by running each segment of each row as a sequence of its own."""
    outputs, lasts = torch.zeros(*x.shape[:2], 10, dtype=x.dtype), []
    for b, n in enumerate(lengths):
        starts = [t for t in range(1, n) if restart[t, b]]
        borders = list(zip([0, *starts], [*starts, n], strict=True))
        ends = {}
        for k, (start, end) in enumerate(borders):
            given = [torch.zeros_like(s[:, b : b + 1]) for s in state]
            for s, own in zip(given, state, strict=True):
                if k == 0 and not (n and restart[0, b]):
                    s[0::2] = own[0::2, b : b + 1]  # forwards
                if k == len(borders) - 1:
                    s[1::2] = own[1::2, b : b + 1]  # backwards
            y, *last = flat(made(x[start:end, b : b + 1], as_state(given)))
            outputs[start:end, b : b + 1] = y
            ends[k] = last
        first, final = ends[0], ends[len(borders) - 1]
        both = [torch.empty_like(s) for s in first]
        for s, f, g in zip(both, first, final, strict=True):
            s[0::2], s[1::2] = g[0::2], f[1::2]
        lasts.append(both)
    return [outputs, *(torch.cat(s, 1) for s in zip(*lasts, strict=True))]


@pytest.mark.parametrize("ragged", [False, True])
def test_restarts_cut_sequences(ragged: bool) -> None:
    made = layer("peephole", **OPTIONS)
    x, state = inputs(made, STEPS, B), initial(made)
    random = torch.Generator().manual_seed(5)
    lengths = LENGTHS if ragged else [STEPS] * B
    for share in (0.0, 0.3, 1.0):
        restart = torch.rand(STEPS, B, generator=random) < share
        options = {"lengths": lengths} if ragged else {}
        found = flat(made(x, as_state(state), restart=restart, **options))
        wanted = segments(made, x, state, restart, lengths)
        assert_close(found, wanted)
        leaves = [x, *state, *made.parameters()]
        gradients = [
            torch.autograd.grad(sum(a.sin().sum() for a in some), leaves)
            for some in (found, wanted)
        ]
        assert_close(*gradients)
    made.batch_first = True
    by_rows = made(x.transpose(0, 1), as_state(state), restart=restart.T, **options)
    assert_close(flat(by_rows), [wanted[0].transpose(0, 1), *wanted[1:]])
    one = made(x[:, 1], as_state([s[:, 1] for s in state]), restart=restart[:, 1])
    alone = made(x[None, :, 1], as_state([s[:, 1:2] for s in state]), restart=restart[None, :, 1])
    assert_close(flat(one), [a.squeeze(0 if k == 0 else 1) for k, a in enumerate(flat(alone))])


def test_packed_sequences_that_restart() -> None:
    made = layer("peephole", **OPTIONS)
    x, state = inputs(made, STEPS, B), initial(made)
    restart = torch.rand(STEPS, B, generator=torch.Generator().manual_seed(5)) < 0.4
    packed = rnn.pack_padded_sequence(x, torch.tensor(LENGTHS), enforce_sorted=False)
    output, *last = [made(packed, as_state(state), restart=restart)]
    padded, _ = rnn.pad_packed_sequence(output[0])
    wanted = segments(made, x, state, restart, LENGTHS)
    assert_close([padded, *output[1]], wanted)
    assert not last
    with pytest.raises(ValueError, match="lengths: a PackedSequence has its own"):
        made(packed, lengths=LENGTHS)


def test_gradients_with_lengths_and_restarts() -> None:
    for name in ("peephole", "slstm", "min_lstm"):
        made = layer(name, hidden_size=3)
        x, state = inputs(made, 4, B), initial(made)
        restart = torch.tensor([[0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.bool)

        def compute(x, *state, made=made, restart=restart):
            return tuple(flat(made(x, as_state(list(state)), lengths=[4, 3, 0], restart=restart)))

        torch.autograd.gradcheck(compute, (x, *state))


@pytest.mark.parametrize("backend", ["aot_eager"])
def test_compiled_and_transformed(backend: str) -> None:
    torch._dynamo.reset()
    made = layer("peephole", **OPTIONS)
    x = inputs(made, STEPS, B)
    lengths = torch.tensor(LENGTHS)
    restart = torch.rand(STEPS, B, generator=torch.Generator().manual_seed(5)) < 0.4
    compiled = torch.compile(made, fullgraph=True, backend=backend)
    found = []
    for compute in (made, compiled):
        output, _ = compute(x, lengths=lengths, restart=restart)
        gradients = torch.autograd.grad(output.sin().sum(), [x, *made.parameters()])
        found.append([output, *gradients])
    assert_close(*found)

    params = {n: p.detach() for n, p in made.named_parameters()}

    def loss(params, x, length, restart):
        arguments = (x, None, length, restart)
        return torch.func.functional_call(made, params, arguments)[0].sin().sum()

    each = torch.func.vmap(torch.func.grad(loss), (None, 1, 0, 1))(params, x, lengths, restart)
    assert_close([each[n].sum(0) for n in params], found[0][2:])


def test_lengths_that_cannot_be() -> None:
    made = layer("peephole", **OPTIONS)
    x = inputs(made, STEPS, B)
    for lengths in ([8, 1, 1], [-1, 1, 1]):
        with pytest.raises(ValueError, match="lengths"):
            made(x, lengths=lengths)
    for lengths, got in (((n for n in LENGTHS), "generator"), ("abc", "str")):
        with pytest.raises(TypeError, match=f"lengths: expected 3 whole numbers, got {got}"):
            made(x, lengths=lengths)
    with pytest.raises(ValueError, match=r"x: expected a PackedSequence of vectors, got data of"):
        made(rnn.PackedSequence(torch.zeros(3, dtype=torch.float64), torch.tensor([2, 1])))
    with torch.device("meta"):  # where tensors are made that are not said to be elsewhere
        output, last = made(x, lengths=[0, 0, 0])
    assert not output.any() and not any(s.any() for s in last)
