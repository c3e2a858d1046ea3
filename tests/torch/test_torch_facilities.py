"""What torch has for its own layers, for cells of several inputs and of scalars."""

from __future__ import annotations

import pytest
from torch_layers import as_state, flat, initial, inputs, layer, torch

functional_call, grad, vmap = torch.func.functional_call, torch.func.grad, torch.func.vmap

# torch's own: its compiler imports what it calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:`?torch.jit:DeprecationWarning")


class Case:
    """A layer, its arguments, and what eager mode gives: outputs, then all gradients."""

    def __init__(self, name: str) -> None:
        self.made = layer(name, num_layers=2, bidirectional=True)
        x, self.state = inputs(self.made), initial(self.made)
        self.several = isinstance(x, dict)
        self.xs = list(x.values()) if self.several else [x]
        self.leaves = [*self.xs, *self.state, *self.made.parameters()]
        self.outputs = self.run(*self.xs, *self.state)
        loss = sum(a.sin().sum() for a in self.outputs)
        self.gradients = torch.autograd.grad(loss, self.leaves)

    def arguments(self, *tensors):
        xs, state = tensors[: len(self.xs)], list(tensors[len(self.xs) :])
        x = dict(zip(self.made.cell.inputs, xs, strict=True)) if self.several else xs[0]
        return x, as_state(state)

    def run(self, *tensors, compute=None):
        compute = self.made if compute is None else compute
        return tuple(flat(compute(*self.arguments(*tensors))))

    def assert_same(self, outputs) -> None:
        """The outputs, and what gradients they give."""
        found = [*outputs, *torch.autograd.grad(sum(a.sin().sum() for a in outputs), self.leaves)]
        self.assert_equal(found, [*self.outputs, *self.gradients])

    @staticmethod
    def assert_equal(found, wanted) -> None:
        for a, b in zip(found, wanted, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)


@pytest.fixture(scope="module", params=["zoneout_lstm", "fast_rnn"])
def case(request) -> Case:
    return Case(request.param)


def test_compiled_and_exported(case: Case) -> None:
    torch._dynamo.reset()
    compiled = torch.compile(case.made, fullgraph=True, backend="aot_eager")
    case.assert_same(case.run(*case.xs, *case.state, compute=compiled))
    given = case.arguments(*case.xs, *case.state)
    exported = torch.export.export(case.made, given, strict=False).module()
    case.assert_equal(flat(exported(*given)), case.outputs)


def test_gradients_by_functions(case: Case) -> None:
    n, names = len(case.xs) + len(case.state), [n for n, _ in case.made.named_parameters()]

    def loss(params, *tensors):
        found = functional_call(case.made, params, case.arguments(*tensors))
        return sum(a.sin().sum() for a in flat(found))

    params = {n: p.detach() for n, p in case.made.named_parameters()}
    given = [a.detach() for a in case.leaves[:n]]
    found = grad(loss, tuple(range(n + 1)))(params, *given)
    case.assert_equal([*found[1:], *(found[0][name] for name in names)], case.gradients)
    each = vmap(grad(loss), (None, *[1] * n))(params, *given)  # of each row
    case.assert_equal([each[name].sum(0) for name in names], case.gradients[n:])


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints(case: Case, reentrant: bool) -> None:
    tensors = *case.xs, *case.state
    outputs = torch.utils.checkpoint.checkpoint(case.run, *tensors, use_reentrant=reentrant)
    case.made.zero_grad()
    sum(a.sin().sum() for a in outputs).backward()
    case.assert_equal([leaf.grad for leaf in case.leaves], case.gradients)
    for leaf in case.leaves:
        leaf.grad = None


# torch's own, where what requires gradients is in a dict.
@pytest.mark.filterwarnings("ignore:Full backward hook is firing when gradients")
def test_hooks_and_inference(case: Case) -> None:
    seen = []
    hooks = [
        case.made.register_forward_hook(lambda *_: seen.append("forward")),
        case.made.register_full_backward_hook(lambda *_: seen.append("backward")),
    ]
    case.assert_same(case.run(*case.xs, *case.state))
    for hook in hooks:
        hook.remove()
    assert seen == ["forward", "backward"]
    with torch.inference_mode():
        case.assert_equal(case.run(*case.xs, *case.state), case.outputs)


def test_autocast(case: Case) -> None:
    made = layer(case.made.cell, dtype=torch.float32)
    low = [a.detach().to(torch.bfloat16) for a in case.xs]
    with torch.autocast("cpu", torch.bfloat16):
        found = flat(made(*case.arguments(*low)[:1]))
    wanted = flat(made(*case.arguments(*(a.float() for a in low))[:1]))
    case.assert_equal(found, wanted)
    assert found[0].dtype == torch.float32
