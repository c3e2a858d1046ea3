"""Layers on a CUDA device: `pytest -m gpu`; elsewhere each test is skipped.

What the same layer gives on the CPU is the reference, and for three cells torch's own layers on the
device, in float64.
"""

from __future__ import annotations

import copy
import os
import shutil
import warnings
from typing import Any

import pytest
from torch_layers import Recurrent, as_state, flat, initial, inputs, layer, lent, torch

from lstmgen.torch import engines

nn, rnn = torch.nn, torch.nn.utils.rnn
STEPS, ROWS = 9, 5
LENGTHS = [4, 9, 0, 7, 1]
CELLS = ("lstm", "gru_reset_after", "peephole", "lstm_projected", "zoneout_lstm", "qrnn_fo")

# Of other versions of torch than the one that CI has, and of compilers, warnings are no errors.
pytestmark = [pytest.mark.gpu, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def device(gpu: Any) -> Any:
    """The device, for torch too."""
    if not torch.cuda.is_available():
        pytest.skip(f"this PyTorch, {torch.__version__}, has no CUDA device here")
    return torch.device("cuda", torch.cuda.current_device())


def moved(found: Any, device: Any) -> Any:
    """The same values as leaves on the device, in whatever they are packed."""
    if isinstance(found, dict):
        return {name: moved(value, device) for name, value in found.items()}
    if isinstance(found, (list, tuple)):
        return type(found)(moved(value, device) for value in found)
    return found.detach().to(device).requires_grad_(found.requires_grad)


def tensors(x: Any) -> list[Any]:
    return list(x.values()) if isinstance(x, dict) else [x]


def ran(made: Any, x: Any, state: list[Any], **options: Any) -> list[Any]:
    """Outputs, states and the gradients of everything."""
    found = flat(made(x, as_state(state) if state else None, **options))
    loss = sum((a * a).sum() + a.sin().sum() for a in found)
    return [*found, *torch.autograd.grad(loss, [*tensors(x), *state, *made.parameters()])]


def assert_same(found: list[Any], wanted: list[Any], within: float = 1e-10) -> None:
    assert len(found) == len(wanted)
    for k, (a, b) in enumerate(zip(found, wanted, strict=True)):
        assert a.device.type == "cuda" and a.shape == b.shape and a.dtype == b.dtype, k
        error = (a.detach().cpu() - b.detach().cpu()).abs().max().item() if a.numel() else 0.0
        scale = max(1.0, b.abs().max().item() if b.numel() else 0.0)
        assert error <= within * scale, (k, error, scale)


def pair(name: str, device: Any, **options: Any) -> tuple[Any, Any]:
    """A layer on the CPU and the same on the device."""
    made = layer(name, **options)
    return made, copy.deepcopy(made).to(device)


@pytest.mark.parametrize("name", CELLS)
def test_outputs_states_and_gradients_are_those_of_the_cpu(device: Any, name: str) -> None:
    ours, theirs = pair(name, device, num_layers=2, bidirectional=True)
    assert "computed by cupy" in repr(theirs) and "cupy" not in repr(ours)
    restart = torch.zeros(STEPS, ROWS, dtype=torch.bool)
    restart[0, 0] = restart[3, 1] = restart[8, 1] = restart[2, 3] = restart[5, 4] = True
    every = {"lengths": torch.tensor(LENGTHS), "restart": restart}
    x, state = inputs(ours, STEPS, ROWS), initial(ours, ROWS)
    for options in ({}, *({k: v} for k, v in every.items()), every):
        there = {k: v.to(device) for k, v in options.items()}
        for states in ([], state):
            wanted = ran(ours, x, states, **options)
            found = ran(theirs, moved(x, device), moved(states, device), **there)
            assert_same(found, wanted)
    # Lengths may stay on the CPU.
    on_cpu = ran(theirs, moved(x, device), moved(state, device), lengths=LENGTHS)
    assert_same(on_cpu, ran(ours, x, state, lengths=LENGTHS))


@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_torchs_own_layers_on_the_device(device: Any, kind: str, options: dict[str, Any]) -> None:
    torch.manual_seed(5)
    theirs = getattr(nn, kind)(3, 6, **options, dtype=torch.float64, device=device)
    ours = Recurrent.from_torch(theirs)
    assert "computed by cupy" in repr(ours)
    random = torch.Generator().manual_seed(1)
    x = torch.randn(STEPS, ROWS, 3, generator=random, dtype=torch.float64)
    x = x.to(device).requires_grad_()
    results = []
    lengths = torch.tensor([9, 7, 4, 4, 1])
    for made in (ours, theirs):
        output, last = made(x)
        packed, last_packed = made(rnn.pack_padded_sequence(x, lengths))
        some = [output, packed.data]
        some += [*last, *last_packed] if kind == "LSTM" else [last, last_packed]
        loss = sum(a.sin().sum() for a in some)
        results.append([*some, *torch.autograd.grad(loss, [x])])
    assert_same(*results)


@pytest.mark.parametrize("enforce_sorted", [True, False])
def test_packed_sequences(device: Any, enforce_sorted: bool) -> None:
    ours, theirs = pair("peephole", device, num_layers=2, bidirectional=True)
    lengths = torch.tensor([9, 7, 4, 4, 1] if enforce_sorted else [4, 9, 1, 7, 4])
    x, state = inputs(ours, STEPS, ROWS), initial(ours, ROWS)
    results = []
    for made, where in ((theirs, device), (ours, "cpu")):
        data, states = moved(x, where), moved(state, where)
        packed = rnn.pack_padded_sequence(data, lengths, enforce_sorted=enforce_sorted)
        output, last = made(packed, tuple(states))
        assert isinstance(output, rnn.PackedSequence)
        loss = output.data.sin().sum() + sum(a.sin().sum() for a in last)
        gradients = torch.autograd.grad(loss, [data, *states, *made.parameters()])
        results.append([output.data, *last, *gradients])
    assert_same(*results)


def test_no_steps_no_rows_and_no_batch(device: Any) -> None:
    ours, theirs = pair("peephole", device)
    for shape in ((0, 3), (4, 0), (0, 0)):
        x, state = inputs(ours, *shape), initial(ours, shape[1])
        wanted = ran(ours, x, state)
        assert_same(ran(theirs, moved(x, device), moved(state, device)), wanted)
    x = inputs(ours, STEPS)
    assert_same(ran(theirs, moved(x, device), []), ran(ours, x, []))


def test_tensors_of_any_strides_and_signs(device: Any) -> None:
    ours, theirs = pair("lstm", device, input_size=6)
    x = torch.randn(ROWS, STEPS, 12, dtype=torch.float64)[:, :, ::2].transpose(0, 1)
    negative = torch.complex(torch.zeros_like(x), x.contiguous()).conj().imag
    wide = x[:1].expand(STEPS, ROWS, 6)
    for given in (x, negative, wide):
        there = given.to(device)
        if given is negative:
            there = torch.complex(torch.zeros_like(x), x.contiguous()).to(device).conj().imag
            assert there.is_neg()
        if given is wide:
            there = x[:1].to(device).expand(STEPS, ROWS, 6)
        assert_same(flat(theirs(there)), flat(ours(given)))
    by_batch = copy.deepcopy(theirs)
    by_batch.batch_first = True
    found = by_batch(x.to(device).transpose(0, 1))[0].transpose(0, 1)
    assert_same([found], [ours(x)[0]])


def test_no_copies_and_torchs_memory(device: Any, gpu: Any) -> None:
    made = engines.prepare(layer("rnn").cell, "cuda").arrays
    x = torch.randn(64, 64, device=device, requires_grad=True)
    array = made._array(x)
    assert type(array) is gpu.ndarray and array.data.ptr == x.data_ptr()
    assert made._array(x.T).data.ptr == x.data_ptr() and made._array(x.T).shape == (64, 64)
    assert made._array(torch.tensor(2.0, device=device)).shape == ()
    flags = torch.tensor([[True, False, True]], device=device)
    assert made._array(flags).dtype == bool
    assert made._array(flags).get().tolist() == flags.tolist()
    pool, held = gpu.get_default_memory_pool(), set(made._memory)
    torch.cuda.synchronize()
    before, used = torch.cuda.memory_allocated(), pool.used_bytes()
    with made.session(x):
        array = gpu.arange(1 << 20, dtype=gpu.float32).reshape(1024, 1024)
    assert torch.cuda.memory_allocated() - before >= 4 << 20
    assert pool.used_bytes() == used
    tensor = made._tensor(array[512:])
    assert tensor.data_ptr() == array[512:].data.ptr and not tensor._is_view()
    assert tensor[0, 0].item() == 512 * 1024
    tensor.record_stream(torch.cuda.Stream())
    array = None
    assert set(made._memory) == held  # the tensor owns it now
    assert tensor[-1, -1].item() == (1 << 20) - 1
    del tensor
    torch.cuda.synchronize()
    torch.empty(1, device=device)  # torch looks at what streams are done with
    assert torch.cuda.memory_allocated() - before < 1 << 20


def test_training_keeps_no_memory(device: Any, gpu: Any) -> None:
    """Steps of training take torch's memory, give all of it back, and nothing of CuPy's pool."""
    made = layer("peephole", input_size=32, hidden_size=64, dtype=torch.float32).to(device)
    x = torch.randn(50, 16, 32, device=device)
    pool, counts = gpu.get_default_memory_pool(), []

    def step() -> None:
        made.zero_grad(set_to_none=True)
        made(x)[0].square().mean().backward()

    step()
    used = pool.used_bytes()
    for _ in range(4):
        step()
        torch.cuda.synchronize()
        counts.append(torch.cuda.memory_allocated())
    assert len(set(counts)) == 1 and pool.used_bytes() == used
    engine = made._engines["cuda"]
    assert not lent(made) and not engine.arrays._memory


@pytest.mark.parametrize("name", ["lstm", "gru_reset_after"])
def test_work_is_on_torchs_current_stream(device: Any, gpu: Any, name: str) -> None:
    """On a side stream that is far behind, nothing waits, and nothing is read too early."""
    ours, theirs = pair(name, device, input_size=32, hidden_size=48)
    source = inputs(ours, 40, 16, grad=False)
    wanted = ran(ours, source.clone().requires_grad_(), [])
    ready = source.to(device)
    theirs(ready)  # kernels are compiled
    torch.cuda.synchronize()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    busy = torch.randn(4096, 4096, device=device)
    late = torch.cuda.Event()
    for _ in range(2):
        with torch.cuda.stream(stream):
            with warnings.catch_warnings(), theirs._engines["cuda"].arrays.session(busy):
                warnings.simplefilter("error")
                assert gpu.cuda.get_current_stream().ptr == stream.cuda_stream
            x = torch.full_like(ready, float("nan"))
            for _ in range(60):  # some 100 ms
                busy = busy @ busy * 1e-3
            x.copy_(ready)
            late.record()
            x.requires_grad_()
            found = ran(theirs, x, [])
            behind = not late.query()
        stream.synchronize()
        assert_same(found, wanted)
    assert behind, "the host was to run ahead of the stream"


def test_two_streams_at_once(device: Any) -> None:
    _, made = pair("peephole", device, input_size=64, hidden_size=128)
    random = torch.Generator(device=device).manual_seed(0)
    xs = [
        torch.randn(60, 32, 64, dtype=torch.float64, device=device, generator=random)
        for _ in range(2)
    ]
    wanted = [ran(made, x.clone().requires_grad_(), []) for x in xs]
    torch.cuda.synchronize()
    streams = [torch.cuda.Stream() for _ in xs]
    found: list[list[Any]] = [[], []]
    for _ in range(3):
        for k, stream in enumerate(streams):
            with torch.cuda.stream(stream):
                found[k].append(ran(made, xs[k].clone().requires_grad_(), []))
    torch.cuda.synchronize()
    for k, results in enumerate(found):
        for result in results:
            assert_same(result, wanted[k])


def test_moved_after_it_was_used_on_the_cpu_and_back(device: Any) -> None:
    made = layer("peephole")
    x = inputs(made, STEPS, ROWS)
    wanted = ran(made, x, [])
    assert "cupy" not in repr(made)
    made.to(device)
    assert "computed by cupy" in repr(made)
    assert_same(ran(made, moved(x, device), []), wanted)
    with pytest.raises(ValueError, match=r"x: expected a tensor on cuda:\d, got cpu"):
        made(x)
    made.cpu()
    assert "cupy" not in repr(made)
    for a, b in zip(ran(made, x, []), wanted, strict=True):
        assert torch.equal(a, b)
    there = Recurrent("rnn", 3, 4, device=device, dtype=torch.float64)
    back = copy.deepcopy(there).cpu()
    x = torch.randn(STEPS, ROWS, 3, dtype=torch.float64)
    assert_same(flat(there(x.to(device))), flat(back(x)))
    assert there.to_torch().weight_ih_l0.device == device


def test_what_comes_out_may_be_changed_and_graphs_may_be_used_twice(device: Any) -> None:
    ours, theirs = pair("lstm", device)
    results = []
    for made, where in ((theirs, device), (ours, "cpu")):
        x = moved(inputs(ours, STEPS, ROWS), where)
        y, (h, _) = made(x)
        y.mul_(2)
        h += 1
        loss = y.sin().sum() + h.sin().sum()
        leaves = [x, *made.parameters()]
        once = torch.autograd.grad(loss, leaves, retain_graph=True)
        results.append([y, h, *once, *torch.autograd.grad(loss, leaves)])
    assert_same(*results)


def test_autocast_inference_and_float32(device: Any) -> None:
    ours, theirs = pair("gru_reset_after", device, dtype=torch.float32)
    x = inputs(ours, STEPS, ROWS, grad=False)
    there = x.to(device)
    wanted = flat(ours(x))
    assert_same(flat(theirs(there)), wanted, 1e-5)
    with torch.inference_mode():
        assert_same(flat(theirs(there)), wanted, 1e-5)
    for dtype in (torch.float16, torch.bfloat16):
        halves = there.to(dtype).requires_grad_()
        with torch.autocast("cuda", dtype=dtype):
            found = flat(theirs(halves))
            sum(a.sum() for a in found).backward()
        assert_same(found, flat(ours(halves.detach().float().cpu())), 1e-5)
        assert halves.grad.dtype == dtype and torch.isfinite(halves.grad).all()


@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compiled_as_one_graph(device: Any, backend: str) -> None:
    if backend == "inductor":
        pytest.importorskip("triton", reason="inductor needs Triton for CUDA")
        if not (os.environ.get("CC") or any(map(shutil.which, ("gcc", "clang", "cc")))):
            pytest.skip("Triton needs a C compiler")
    ours, theirs = pair("peephole", device, num_layers=2, bidirectional=True)
    torch._dynamo.reset()
    x = inputs(ours, STEPS, ROWS)
    wanted = ran(ours, x, [])
    program = torch.compile(lambda x: theirs(x * 1.0), fullgraph=True, backend=backend)
    given = moved(x, device)
    found = flat(program(given))
    loss = sum((a * a).sum() + a.sin().sum() for a in found)
    gradients = torch.autograd.grad(loss, [given, *theirs.parameters()])
    assert_same([*found, *gradients], wanted)


def test_gradients_of_each_sample(device: Any) -> None:
    _, made = pair("gru_reset_after", device)
    xs = torch.randn(3, STEPS, 2, 2, dtype=torch.float64, device=device)
    params = {name: p.detach() for name, p in made.named_parameters()}

    def loss(params: Any, x: Any) -> Any:
        return torch.func.functional_call(made, params, (x,))[0].sin().sum()

    found = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(params, xs)
    for k, x in enumerate(xs):
        wanted = torch.autograd.grad(made(x)[0].sin().sum(), list(made.parameters()))
        assert_same([found[name][k] for name in params], list(wanted))
