"""Gradients of the layer wherever autograd leads them, and the tapes on their way."""

from __future__ import annotations

import copy
import gc
import threading
import weakref

import pytest
from torch_layers import H, T, as_state, engine, flat, initial, inputs, layer, lent, torch

from lstmgen.torch import Recurrent as torch_layer
from lstmgen.torch import engines
from lstmgen.torch.tapes import Lent


def gradients(loss, made, x):
    return torch.autograd.grad(loss, [x, *made.parameters()])


def equal(some, others) -> bool:
    return all(torch.equal(a, b) for a, b in zip(some, others, strict=True))


@pytest.fixture
def made():
    return layer("peephole", num_layers=2, bidirectional=True)


def test_only_some_outputs_are_used(made) -> None:
    x = inputs(made)
    output, (h, C) = made(x)
    parts = [gradients(flat(made(x))[k].sin().sum(), made, x) for k in range(3)]
    whole = gradients(output.sin().sum() + h.sin().sum() + C.sin().sum(), made, x)
    for a, b in zip(whole, zip(*parts, strict=True), strict=True):
        torch.testing.assert_close(a, sum(b))


def test_only_some_gradients_are_wanted(made) -> None:
    x = inputs(made)
    whole = gradients(made(x)[0].sin().sum(), made, x)
    made.requires_grad_(False)
    (dx,) = torch.autograd.grad(made(x)[0].sin().sum(), x)
    assert torch.equal(dx, whole[0])
    made.W_f_l1.requires_grad_(True)
    (dw,) = torch.autograd.grad(made(x.detach())[0].sin().sum(), made.W_f_l1)
    names = [n for n, _ in made.named_parameters()]
    assert torch.equal(dw, whole[1 + names.index("W_f_l1")])
    made.requires_grad_(False)
    assert not made(x.detach())[0].requires_grad and not lent(made)


def test_the_graph_used_again_and_more_than_one_graph(made) -> None:
    x = inputs(made)
    first, second = made(x)[0], made(2 * x)[0]
    once = torch.autograd.grad(first.sin().sum(), x, retain_graph=True)
    other = torch.autograd.grad(second.sin().sum(), x)
    twice = torch.autograd.grad(first.sin().sum(), x)
    assert equal(once, twice) and not equal(once, other)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(first.sin().sum(), x)


@pytest.fixture
def all_kept(monkeypatch):
    """The memory of small tapes is kept too."""
    monkeypatch.setattr("lstmgen.torch.arrays.NumpyArrays.large", 0)


def spares(made) -> int:
    return sum(map(len, engine(made).tapes._spares.values()))


def test_tapes_live_as_long_as_their_graph_and_no_longer(all_kept) -> None:
    made = layer("lstm", num_layers=3)
    x = inputs(made)

    def tapes() -> tuple[int, int]:
        return lent(made), spares(made)

    output = made(x)[0]
    assert tapes() == (3, 0)
    output.sum().backward(retain_graph=True)
    assert tapes() == (3, 0)
    output.sum().backward()
    assert tapes() == (0, 3)  # though `output` is still there
    output = made(x)[0]
    assert tapes() == (3, 0)  # used again
    del output
    assert tapes() == (0, 3)
    with torch.no_grad():
        made(x)
    assert tapes() == (0, 3)
    for steps in range(1, 100):
        made(inputs(made, steps, 2))[0].sum().backward()
        assert lent(made) == 0 and spares(made) <= 3  # never more than were lent at once
    kept = [made(x)[0] for _ in range(20)]
    assert lent(made) == 60
    del kept
    assert lent(made) == 0 and 0 < spares(made) <= 2 * 16  # of two sizes


def test_the_memory_of_large_tapes_alone_is_kept() -> None:
    made = layer("lstm")
    for steps, kept in ((4, 0), (2**18 // H + 1, 1)):
        made(inputs(made, steps, 1))[0].sum().backward()
        assert spares(made) == kept and lent(made) == 0


def test_a_layer_leaves_nothing_behind() -> None:
    made = layer("rnn")
    made(inputs(made))[0].sum().backward()
    kept = weakref.ref(engine(made))
    assert engines.find(kept().key) is kept()
    del made
    gc.collect()
    assert kept() is None


def test_a_graph_outlives_its_layer() -> None:
    from lstmgen import Cell, Eq, symbols, t, tanh

    h, x, W = symbols("h x W")
    made = layer(Cell("nobody_knows", Eq(h[t], tanh(W @ [h[t - 1], x[t]]))))
    given = inputs(made)
    loss = made(given)[0].sum()
    wanted = torch.autograd.grad(loss, given, retain_graph=True)
    del made
    gc.collect()
    assert equal(torch.autograd.grad(loss, given), wanted)


def test_spare_memory_changes_no_number(made, all_kept) -> None:
    fresh = layer("peephole", num_layers=2, bidirectional=True)
    for seed in range(3):
        x = inputs(made, seed=seed)
        found = made(x)
        again = gradients(found[0].sin().sum() + found[1][1].sum(), made, x)
        assert spares(fresh) == 4
        engine(fresh).tapes._spares.clear()
        found = fresh(x)
        assert equal(again, gradients(found[0].sin().sum() + found[1][1].sum(), fresh, x))


def test_results_share_no_memory(made, all_kept) -> None:
    x = inputs(made)
    outputs, found = [], []
    for _ in range(3):
        outputs.append(made(x))
        found.append(gradients(outputs[-1][0].sin().sum(), made, x))
    numbers = [[a.clone() for a in some] for some in (*map(flat, outputs), *found)]
    made(2 * x)[0].sum().backward()  # takes over spare memory
    for some, kept in zip((*map(flat, outputs), *found), numbers, strict=True):
        assert equal(some, kept)


def test_parameters_that_are_given_other_memory() -> None:
    made = layer("gru_reset_after")
    x = inputs(made)

    def as_a_new_layer() -> None:
        other = layer("gru_reset_after")
        other.load_state_dict(made.state_dict())
        found, wanted = made(x)[0], other(x)[0]
        assert torch.equal(found, wanted)
        some = [gradients(y.sin().sum(), m, x) for y, m in ((found, made), (wanted, other))]
        assert equal(*some)

    as_a_new_layer()
    with torch.no_grad():
        made.U_n_l0.add_(0.1)
    as_a_new_layer()
    made.U_n_l0.data = made.U_n_l0.data.T  # the same address and shape
    as_a_new_layer()
    made.U_n_l0 = torch.nn.Parameter(made.U_n_l0.detach() * 2)
    as_a_new_layer()
    made.b_n_l0.data = made.b_n_l0.data[:4]
    with pytest.raises(ValueError, match="b_n"):
        made(x)


def test_tensors_that_a_transform_left_behind() -> None:
    made = layer("lstm")
    left = []
    torch.func.grad(lambda x: (left.append(x), x.sum())[1])(inputs(made).detach())
    with torch.no_grad():
        assert torch.equal(made(left[0])[0], made(inputs(made))[0])
    assert torch.equal(made(left[0])[0], made(inputs(made))[0])


def test_outputs_may_be_changed_in_place(made) -> None:
    x = inputs(made)
    wanted = gradients(2 * made(x)[0].sum(), made, x)
    single = layer("peephole")
    alone = gradients(2 * single(x)[0].sum(), single, x)
    assert equal(wanted, gradients(made(x)[0].mul_(2).sum(), made, x))
    assert equal(alone, gradients(single(x)[0].mul_(2).sum(), single, x))


def test_what_backward_needs_must_not_change(made) -> None:
    x = inputs(made).detach()
    for change in (x, made.W_f_l0):
        loss = made(x)[0].sum()
        with torch.no_grad():
            change.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            loss.backward()


def test_second_derivatives_are_an_error(made) -> None:
    x = inputs(made)
    (dx,) = torch.autograd.grad(made(x)[0].sin().sum(), x, create_graph=True)
    assert equal([dx], torch.autograd.grad(made(x)[0].sin().sum(), x))
    with pytest.raises(NotImplementedError, match="gradients of first order"):
        dx.sum().backward()


def test_batches_of_gradients(made) -> None:
    x, state = inputs(made), initial(made)
    outputs = flat(made(x, as_state(state)))
    leaves = [x, *state, *made.parameters()]
    for used in (outputs, outputs[:1], outputs[2:]):
        many = [torch.randn(5, *a.shape, dtype=a.dtype) for a in used]
        found = torch.autograd.grad(used, leaves, many, is_grads_batched=True, retain_graph=True)
        for k in range(5):
            one = torch.autograd.grad(used, leaves, [d[k] for d in many], retain_graph=True)
            assert equal([d[k] for d in found], one)
    row = x[:, :1].detach()
    jacobians = [
        torch.autograd.functional.jacobian(lambda x: made(x)[0], row, vectorize=vectorize)
        for vectorize in (True, False)
    ]
    assert equal(*[[jacobian] for jacobian in jacobians])


# torch's own: its derivatives forward import what it calls deprecated.
@pytest.mark.filterwarnings("ignore:`?torch.jit:DeprecationWarning")
def test_tangents_are_an_error_without_gradients_too() -> None:
    made = layer("lstm")
    x = inputs(made).detach()
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, torch.ones_like(x))
        for grad in (True, False):
            with torch.set_grad_enabled(grad), pytest.raises(NotImplementedError, match="jvp"):
                made(dual)
        with torch.no_grad():
            assert torch.equal(made(x)[0], layer("lstm")(x)[0])


def test_parameters_where_nothing_computes() -> None:
    made = layer("lstm")
    there = {name: p.to("meta") for name, p in made.named_parameters()}
    with pytest.raises(ValueError, match="the parameters are on meta, where nothing computes"):
        torch.func.functional_call(made, there, (inputs(made).to("meta"),))


@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints_compute_again(made, reentrant: bool) -> None:
    x = inputs(made)
    wanted = gradients(made(x)[0].sin().sum(), made, x)
    output = torch.utils.checkpoint.checkpoint(
        lambda x: made(x)[0].sin(), x, use_reentrant=reentrant
    )
    assert lent(made) == 0
    output.sum().backward()
    assert equal([x.grad, *(p.grad for p in made.parameters())], wanted)
    assert lent(made) == 0


def test_saved_tensors_that_are_moved_elsewhere(made) -> None:
    x = inputs(made)
    wanted = gradients(made(x)[0].sin().sum(), made, x)
    for hooks in (
        torch.autograd.graph.save_on_cpu(),
        torch.autograd.graph.saved_tensors_hooks(lambda a: a.clone(), lambda a: a.clone()),
        torch.autograd.graph.saved_tensors_hooks(
            lambda a: a.numpy(force=True).tolist(), lambda a: torch.tensor(a, dtype=x.dtype)
        ),
    ):
        with hooks:
            loss = made(x)[0].sin().sum()
        assert lent(made) == 0 or "save_on" in repr(hooks)
        assert equal(gradients(loss, made, x), wanted)


def test_handles_of_other_tapes_are_not_found(made) -> None:
    made(inputs(made))  # tapes come and go, and their memory is used again
    held = engine(made).tapes
    for _ in range(200):
        handle = held.handle((Lent(object(), [], {}, None),))
        copies = [handle.clone() for _ in range(50)]
        assert held.find(handle) is not None
        del handle
        assert all(held.find(copy) is None for copy in copies)


def test_hooks(made) -> None:
    x = inputs(made)
    seen = []
    made.register_forward_hook(lambda module, args, output: seen.append("forward"))
    made.register_full_backward_hook(lambda module, dx, dy: seen.append(dx[0].shape))
    made.W_f_l0.register_hook(lambda d: 2 * d)
    made(x)[0].sum().backward()
    assert seen == ["forward", x.shape]
    doubled = made.W_f_l0.grad
    made.zero_grad()
    other = layer("peephole", num_layers=2, bidirectional=True)
    other(inputs(other))[0].sum().backward()
    assert torch.equal(doubled, 2 * other.W_f_l0.grad)


def test_parametrizations_and_pruning() -> None:
    made = layer("lstm")
    x = inputs(made)
    torch.nn.utils.parametrizations.weight_norm(made, "W_f_l0")
    torch.nn.utils.prune.random_unstructured(made, "W_i_l0", 0.5)
    made(x)[0].sum().backward()
    assert made.parametrizations.W_f_l0.original0.grad is not None
    assert made.W_i_l0_orig.grad.count_nonzero() == made.W_i_l0_mask.count_nonzero()
    other = layer("lstm")
    torch.nn.utils.parametrizations.spectral_norm(other, "W_f_l0").eval()
    twin = copy.deepcopy(other)  # of its attributes, as torch does it for parametrized modules
    assert torch.equal(twin(x)[0], other(x)[0]) and twin._engines == other._engines


def test_threads_train_at_once(all_kept) -> None:
    made = layer("peephole")
    xs = [inputs(made, 30, 8, seed=seed) for seed in range(4)]
    wanted = [gradients(made(x)[0].sin().sum(), made, x) for x in xs]
    found: dict[int, bool] = {}

    def train(k: int) -> None:
        found[k] = all(
            equal(gradients(made(xs[k])[0].sin().sum(), made, xs[k]), wanted[k]) for _ in range(20)
        )

    threads = [threading.Thread(target=train, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == dict.fromkeys(range(4), True)
    # A graph made in one thread, its gradients taken in others.
    loss = made(xs[0])[0].sin().sum()
    results: list[bool] = []

    def backward() -> None:
        again = torch.autograd.grad(loss, [xs[0], *made.parameters()], retain_graph=True)
        results.append(equal(again, wanted[0]))

    threads = [threading.Thread(target=backward) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 4


def test_inference_mode_and_autocast() -> None:
    made = layer("peephole", num_layers=2, dtype=torch.float32)
    x, state = inputs(made), initial(made)
    wanted = flat(made(x, as_state(state)))
    with torch.inference_mode():
        found = flat(made(x, as_state(state)))
        assert found[0].is_inference() and equal(found, wanted)
        assert equal(flat(made(x * 1, as_state([s * 1 for s in state]))), wanted)
    linear = torch.nn.Linear(x.shape[-1], x.shape[-1])
    with torch.autocast("cpu", torch.bfloat16):
        half = linear(x)
        output, (h, _) = made(half, (state[0].bfloat16(), state[1]))
        assert half.dtype == torch.bfloat16 and output.dtype == h.dtype == torch.float32
    torch.testing.assert_close(
        output, made(half.float(), (state[0].bfloat16().float(), state[1]))[0]
    )
    output.sum().backward()
    assert linear.weight.grad.dtype == torch.float32 and linear.weight.grad.any()
    with pytest.raises(TypeError, match=r"expected torch\.float32 like the layer's"):
        made(half)


def test_contiguous_tensors_are_not_copied(made, monkeypatch) -> None:
    seen = []
    module = engine(made).module
    forward, backward = module.forward, module.backward

    def spy_forward(params, x, state=None, **options):
        y, last, tape = forward(params, x, state, **options)
        seen.append((params, x, state, y, last))
        return y, last, tape

    def spy_backward(params, tape, dy=None, dstate=None):
        found = backward(params, tape, dy, dstate)
        seen.append((params, dy, dstate, found))
        return found

    monkeypatch.setattr(module, "forward", spy_forward)
    monkeypatch.setattr(module, "backward", spy_backward)
    single = layer("peephole")
    x, state = inputs(single), initial(single)
    output, last = single(x, as_state(state))
    dy = torch.ones_like(output)
    grads = torch.autograd.grad(output, [x, *state, *single.parameters()], dy)
    (params, x_array, given, y, ends), (_, dy_array, _, (dparams, dx, _)) = seen
    pairs = [
        (x, x_array), (output, y), (dy, dy_array), (grads[0], dx),
        *((s, given[k]) for s, k in zip(state, "hC", strict=True)),
        *((s, ends[k]) for s, k in zip(last, "hC", strict=True)),
        *zip(single.parameters(), params.values(), strict=True),
        *zip(grads[3:], dparams.values(), strict=True),
    ]  # fmt: skip
    for tensor, array in pairs:
        assert tensor.data_ptr() == array.ctypes.data
    assert (len(output), output.shape[-1]) == (T, H)


def test_strides_of_all_kinds(made) -> None:
    x = inputs(made).detach()
    views = [
        x.transpose(0, 1).contiguous().transpose(0, 1),
        torch.stack([x, x], 3)[..., 0],
        torch.cat([x, x], 0)[: len(x)],
        x[:1].expand_as(x),
    ]
    for view in views:
        given = view.requires_grad_() if view.is_leaf else view.detach().requires_grad_()
        plain = view.detach().clone(memory_format=torch.contiguous_format).requires_grad_()
        some = gradients(made(given)[0].sum(), made, given)
        torch.testing.assert_close(some, gradients(made(plain)[0].sum(), made, plain))
    negative = torch.randn(4, 3, 2, dtype=torch.complex128).conj().imag
    assert negative.is_neg()
    torch.testing.assert_close(made(negative)[0], made(negative.resolve_neg())[0])
    with torch.no_grad():
        made.W_f_l0.data = made.W_f_l0.data.T.contiguous().T
    made(x)[0].sum().backward()
    assert made.W_f_l0.grad.shape == made.W_f_l0.shape


class Imaginary(torch.nn.Module):
    """Gives a tensor whose sign is yet to be changed, and that counts as contiguous."""

    def forward(self, z):
        return torch.view_as_complex(z).conj().imag

    def right_inverse(self, b):
        return torch.stack([b, -b], -1)


def test_a_parameter_whose_sign_is_yet_to_be_changed_is_read_anew() -> None:
    made, plain = (torch_layer("lstm", 3, 1) for _ in range(2))
    torch.nn.utils.parametrize.register_parametrization(made, "b_f_l0", Imaginary())
    assert made.b_f_l0.is_neg() and made.b_f_l0.is_contiguous()
    x = torch.randn(4, 2, 3)
    for change in (0.0, 3.0, -1.0):
        with torch.no_grad():
            made.parametrizations.b_f_l0.original.add_(change)
            for name, parameter in plain.named_parameters():
                parameter.copy_(getattr(made, name))
        torch.testing.assert_close(made(x)[0], plain(x)[0])
        made(x)[0].sum().backward()
