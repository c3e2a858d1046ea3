"""The layer in programs that torch makes: compiled, exported, transformed."""

from __future__ import annotations

import gc
import io
import subprocess
import sys

import pytest
from torch_layers import B, D, T, as_state, flat, initial, inputs, layer, lent, torch

from lstmgen.torch.definitions import BACKWARD, FORWARD

make_fx = torch.fx.experimental.proxy_tensor.make_fx
functional_call, grad, vmap = torch.func.functional_call, torch.func.grad, torch.func.vmap

# torch's own: its compiler imports what it calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:`?torch.jit:DeprecationWarning")

OPTIONS = {"num_layers": 2, "bidirectional": True}


def train(made, x, state=None, compute=None, **options):
    """Outputs, and the gradients of all there is."""
    found = flat((made if compute is None else compute)(x, state, **options))
    loss = sum(a.sin().sum() for a in found)
    given = [x, *made.parameters()]
    if state is not None:
        given += [state] if isinstance(state, torch.Tensor) else state
    return [*found, *torch.autograd.grad(loss, given)]


def assert_equal(some, others) -> None:
    for a, b in zip(some, others, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()


@pytest.mark.parametrize("name", ["peephole", "gru_reset_after", "qrnn_fo", "fast_grnn"])
def test_the_operators_pass_torchs_checks(name: str) -> None:
    made = layer(name)
    (key,) = (engine.key for engine in made._engines.values())
    x, state = inputs(made), [s.detach().requires_grad_() for s in initial(made)]
    params, widths = list(made.parameters()), made.layer_sizes[0].widths
    for given in (state, []):
        arguments = (key, [x], given, params, None, None, widths)
        torch.library.opcheck(FORWARD, arguments)
        with torch.no_grad():
            y, last, handle = FORWARD(*arguments)
        fixed = [[a.detach() for a in some] for some in ([x], given, params)]  # no second order
        backward = (key, handle, *fixed, None, None, torch.ones_like(y))
        torch.library.opcheck(BACKWARD, (*backward, [torch.ones_like(s) for s in last]))
        torch.library.opcheck(BACKWARD, (*backward, [None] * len(last)))


@pytest.mark.parametrize("backend", ["inductor", "aot_eager"])
def test_compiled_training(backend: str) -> None:
    made = layer("peephole", batch_first=True, **OPTIONS)
    compiled = torch.compile(made, fullgraph=True, backend=backend)
    for steps in (T, T + 2, T + 3):
        x, state = inputs(made, B, steps), tuple(initial(made))
        assert_equal(train(made, x, state), train(made, x, state, compiled))
        assert_equal(train(made, x), train(made, x, compute=compiled))
    with torch.no_grad():
        assert_equal(flat(made(x)), flat(compiled(x)))
    assert lent(made) == 0
    loss = compiled(x)[0].sum()
    assert lent(made) == 4  # saved by the compiled forward pass, not computed again
    loss.backward()
    assert lent(made) == 0


@pytest.mark.parametrize("name", ["gru_reset_after", "rnn", "lstm"])
def test_compiled_as_part_of_a_model(name: str) -> None:
    made = torch.nn.Sequential(torch.nn.Linear(D, D), layer(name, dtype=torch.float32))
    x = torch.randn(T, B, D)
    found = []
    for compute in (made, torch.compile(made, fullgraph=True, backend="aot_eager")):
        made.zero_grad()
        output, _ = compute(x)
        output.relu().sum().backward()
        found.append([output, *(p.grad.clone() for p in made.parameters())])
    assert_equal(*found)


def test_autocast_in_a_compiled_program() -> None:
    made = torch.nn.Sequential(torch.nn.Linear(D, D), layer("lstm", dtype=torch.float32))
    compiled = torch.compile(made, fullgraph=True, backend="aot_eager")
    with torch.autocast("cpu", torch.bfloat16):
        wanted, found = (f(torch.ones(T, B, D))[0] for f in (made, compiled))
    assert_equal([wanted], [found])
    assert found.dtype == torch.float32


@pytest.mark.parametrize("strict", [False, True])
def test_exported_programs(strict: bool, tmp_path) -> None:
    made = layer("peephole", **OPTIONS)
    x = inputs(made, grad=False)
    dynamic = {"x": {0: torch.export.Dim("T", min=2), 1: torch.export.Dim("B", min=2)}}
    program = torch.export.export(made, (x,), dynamic_shapes=dynamic, strict=strict)
    targets = [str(node.target) for node in program.graph.nodes]
    assert targets.count("lstmgen.forward.default") == 4
    longer = inputs(made, T + 3, B + 1)
    exported = program.module()
    assert_equal(flat(made(longer)), flat(exported(longer)))
    # It can be trained, too.
    loss = exported(longer)[0].sin().sum()
    wanted = torch.autograd.grad(made(longer)[0].sin().sum(), [longer, made.W_C_l1_reverse])
    weights = dict(exported.named_parameters())
    assert_equal(torch.autograd.grad(loss, [longer, weights["W_C_l1_reverse"]]), wanted)
    if strict:
        return
    # Another process knows the cell by its name and the hash of its equations.
    torch.export.save(program, tmp_path / "program.pt2")
    torch.save((longer.detach(), flat(made(longer))), tmp_path / "wanted.pt")
    done = subprocess.run(
        [sys.executable, "-c", LOADED],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.stdout == "equal\n", done.stderr


LOADED = """
import torch, lstmgen.torch
x, wanted = torch.load("wanted.pt")
output, state = torch.export.load("program.pt2").module()(x)
print("equal" if all(map(torch.equal, [output, *state], wanted)) else "different")
"""


def test_an_exported_program_of_a_cell_that_nobody_knows() -> None:
    with pytest.raises(Exception, match="no layer of the cell mine:0123:numpy was made in this"):
        FORWARD("mine:0123:numpy", [torch.ones(1, 1, 1)], [], [torch.ones(1)], None, None, [1, 1])


def test_traced_by_make_fx() -> None:
    made = layer("lstm")
    x = inputs(made)

    def gradients(x):
        return torch.autograd.grad(made(x)[0].sin().sum(), x)[0]

    traced = make_fx(gradients)(x)
    names = [str(node.target) for node in traced.graph.nodes]
    assert {"lstmgen.forward.default", "lstmgen.backward.default"} <= set(names)
    other = inputs(made, seed=9)
    torch.testing.assert_close(traced(other), gradients(other))


def per_sample(made, x, state=None):
    """The loss of one sequence without a batch, as a function of the parameters."""

    def loss(params, x, *state):
        output, last = functional_call(made, params, (x, as_state(list(state)) if state else None))
        return output.sin().sum() + (last if isinstance(last, torch.Tensor) else last[-1]).sum()

    return loss


@pytest.mark.parametrize("name", ["peephole", "gru_reset_after", "rnn"])
def test_gradients_for_each_sample(name: str) -> None:
    made = layer(name, **OPTIONS)
    x, state = inputs(made).detach(), [s.detach() for s in initial(made)]
    params = dict(made.named_parameters())
    loss = per_sample(made, x)
    detached = {n: p.detach() for n, p in params.items()}
    found = vmap(grad(loss), (None, 1, *[1] * len(state)))(detached, x, *state)
    for b in range(B):
        made.zero_grad()
        loss(params, x[:, b], *(s[:, b] for s in state)).backward()
        for n, p in made.named_parameters():
            torch.testing.assert_close(found[n][b], p.grad, rtol=1e-12, atol=1e-14)
    gc.collect()  # torch.func makes cycles
    assert lent(made) == 0


def test_other_transforms() -> None:
    made = layer("lstm")
    x = inputs(made).detach()
    params = dict(made.named_parameters())
    # A weight for each sample, the same input; then both nested.
    many = {n: torch.stack([p, 2 * p]).detach() for n, p in params.items()}

    def run(params, x):
        return functional_call(made, params, (x,))[0]

    found = vmap(run, (0, None))(many, x)
    wanted = [run({n: p[k] for n, p in many.items()}, x) for k in range(2)]
    assert_equal(found, wanted)
    nested = vmap(vmap(run, (None, 0)), (0, None))(many, torch.stack([x, 3 * x]))
    assert_equal(nested[1, 1], run({n: p[1] for n, p in many.items()}, 3 * x))
    per_sample = vmap(vmap(grad(lambda p, x: run(p, x).sum()), (None, 0)), (0, None))
    deep = per_sample(many, torch.stack([x, 3 * x]))
    shallow = grad(lambda p, x: run(p, x).sum())({n: p[1] for n, p in many.items()}, 3 * x)
    assert_equal([deep[n][1, 1] for n in params], shallow.values())
    # Jacobians go through vmap of backward.
    jacobian = torch.func.jacrev(lambda x: made(x)[0])(x)
    given = x.clone().requires_grad_()
    (dx,) = torch.autograd.grad(made(given)[0][1, 2, 3], given)
    torch.testing.assert_close(jacobian[1, 2, 3], dx)
    (summed,) = torch.autograd.grad(vmap(lambda x: made(x)[0], 1)(given.unsqueeze(2)).sum(), given)
    torch.testing.assert_close(summed, torch.autograd.grad(made(given)[0].sum(), given)[0])
    with pytest.raises(NotImplementedError, match="gradients of first order"):
        grad(lambda x: grad(lambda x: made(x)[0].sin().sum())(x).sum())(x)
    with pytest.raises(RuntimeError, match=r"forward AD|jvp"):
        torch.func.jvp(lambda x: made(x)[0], (x,), (x,))


def test_a_scripted_save_and_load() -> None:
    made = layer("peephole", **OPTIONS)
    x = inputs(made)
    buffer = io.BytesIO()
    torch.save(made, buffer)
    buffer.seek(0)
    assert_equal(train(torch.load(buffer, weights_only=False), x), train(made, x))
    other = layer("peephole", **OPTIONS)
    other.reset_parameters()
    buffer = io.BytesIO()
    torch.save(made.state_dict(), buffer)
    buffer.seek(0)
    other.load_state_dict(torch.load(buffer))
    assert_equal(train(other, x), train(made, x))
