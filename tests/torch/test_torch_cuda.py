"""The way to CuPy modules, as far as it can be gone without a device.

The modules themselves run through their stand-in on the CPU, below the same operators; what asks a
device for its stream and memory is called with a CuPy that writes down what it is asked.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from torch_layers import B, T, as_state, flat, initial, inputs, layer, torch

import lstmgen
from lstmgen.torch import arrays, engines


class StandInArrays:
    """Arrays of the stand-in, copied from tensors on the CPU and back."""

    large = float("inf")

    def __init__(self, cupy) -> None:
        self.cupy, self.sessions = cupy, 0

    @contextmanager
    def session(self, tensor):
        self.sessions += 1
        yield
        self.sessions -= 1

    def array(self, tensor):
        assert self.sessions == 1
        return self.cupy.asarray(np.array(tensor.numpy(force=True), order="C"))

    def tensors(self, arrays):
        assert self.sessions == 1
        return [torch.from_numpy(np.array(array.get())) for array in arrays]


@pytest.mark.parametrize("name", ["peephole", "fast_rnn", "zoneout_lstm", "qrnn_fo"])
def test_modules_for_cupy_below_the_same_operators(
    cuda_on_the_cpu: None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lstmgen.cuda import on_cpu

    made = layer(name)
    x, state = inputs(made), initial(made)
    again = torch.zeros(T, B, dtype=torch.bool)
    again[0, 0] = again[1, 1] = again[2, 2] = True
    sequences = {"lengths": [T, 0, T - 1], "restart": again}
    tensors = [*(x.values() if isinstance(x, dict) else [x]), *state, *made.parameters()]
    results = []
    for way in ("cpu", "stand-in"):
        if way == "stand-in":
            cupy = on_cpu.emulated_cupy()
            source = lstmgen.render(made.cell, "cupy")
            module = on_cpu.load_module(source, f"{name}_cupy", cupy=cupy)
            engine = engines.DeviceEngine(made.cell, "stand-in", module, StandInArrays(cupy))
            monkeypatch.setitem(engines._ENGINES, engine.key, engine)
            made._engines["cpu"] = engine
            made._choose()
        ran = []
        for options in ({}, *({k: v} for k, v in sequences.items()), sequences):
            found = flat(made(x, as_state(state), **options))
            loss = sum(a.sin().sum() for a in found)
            ran += [*found, *torch.autograd.grad(loss, tensors)]
        results.append(ran)
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-13)


class Recorded:
    """A `cupy` that writes down what it is asked for; its arrays are NumPy's, in torch's memory."""

    class ndarray:
        def __init__(self, array: np.ndarray, memory: int, address: int) -> None:
            self.array, self.shape, self.size = array, array.shape, array.size
            self.dtype, self.itemsize = array.dtype, array.itemsize
            self.data = SimpleNamespace(ptr=address, mem=SimpleNamespace(ptr=memory))

        def reshape(self, shape):
            assert shape == self.shape
            return self

        def __dlpack__(self, **options):
            return self.array.__dlpack__()

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

    def __init__(self) -> None:
        self.log: list[tuple[object, ...]] = []
        stream = self.context("stream")
        self.cuda = SimpleNamespace(
            PythonFunctionAllocator=lambda malloc, free: SimpleNamespace(malloc=malloc, free=free),
            Device=self.context("device"),
            Stream=SimpleNamespace(from_external=lambda given: stream(*given.__cuda_stream__())),
            using_allocator=self.context("allocator"),
        )

    def context(self, name: str):
        @contextmanager
        def enter(*arguments):
            self.log.append((name, *arguments))
            yield
            self.log.append((name, "left"))

        return enter

    def from_dlpack(self, tensor):
        assert not tensor.requires_grad
        return np.from_dlpack(tensor)

    @staticmethod
    def ascontiguousarray(array):
        return array


def test_the_stream_is_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = Recorded()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    asked = []
    stream = SimpleNamespace(device=SimpleNamespace(index=3), cuda_stream=4711)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: asked.append(device) or stream)
    made = arrays.CupyArrays()
    device = torch.device("cuda", 3)
    with made.session(SimpleNamespace(device=device)):
        assert [entry[0] for entry in cupy.log] == ["device", "stream", "allocator"]
        assert cupy.log[2][1] == made._allocator.malloc
    assert cupy.log[0] == ("device", 3) and cupy.log[1] == ("stream", 0, 4711)
    assert [entry[0] for entry in cupy.log[3:]] == ["allocator", "stream", "device"]
    assert asked == [device]


def test_tensors_go_to_the_module_without_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", Recorded())
    made = arrays.CupyArrays()
    for tensor in (torch.randn(3, 4, requires_grad=True), torch.randn(3, 4).T, torch.tensor(2.0)):
        array = made._shared(tensor)
        assert array.ctypes.data == tensor.data_ptr() and array.shape == tensor.shape
    borders = torch.tensor([[True, False]])
    assert made._shared(borders).dtype == bool and made._shared(borders).tolist() == [[True, False]]
    signs = torch.complex(torch.zeros(2), torch.tensor([1.0, -2.0])).conj().imag
    assert signs.is_neg() and made._shared(signs).tolist() == [-1.0, 2.0]


def test_a_modules_memory_is_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", Recorded())
    empty = torch.empty
    asked = []

    def on_the_cpu(*size, device=None, **options):
        asked.append(device)
        return empty(*size, **options)

    monkeypatch.setattr(torch, "empty", on_the_cpu)
    made = arrays.CupyArrays()
    malloc, free = made._allocator.malloc, made._allocator.free
    memory = malloc(6 * 8 + 16, 3)
    assert asked == [torch.device("cuda", 3)]
    whole = made._memory[memory]
    values = whole.numpy()[16:].view(np.float64).reshape(2, 3)
    values[...] = [[1, 2, 3], [4, 5, 6]]
    tensor = made._tensor(Recorded.ndarray(values, memory, memory + 16))
    assert tensor.tolist() == values.tolist() and tensor.is_contiguous()
    assert tensor.data_ptr() == memory + 16 and not tensor._is_view()
    assert tensor.untyped_storage().data_ptr() == whole.data_ptr()  # record_stream finds it
    del whole
    free(memory, 3)
    assert not made._memory and tensor.tolist() == values.tolist()
    scalar = malloc(4, 3)
    made._memory[scalar].view(torch.float32).fill_(2.5)
    number = np.array(2.5, np.float32)
    assert made._tensor(Recorded.ndarray(number, scalar, scalar)).item() == 2.5
    nothing = Recorded.ndarray(np.empty((0, 3, 2), np.float32), 0, 0)
    assert made._tensor(nothing).shape == (0, 3, 2)


def test_without_cupy_a_layer_says_so() -> None:
    with pytest.raises(lstmgen.UnavailableError, match="rnn cannot be computed on cuda here; cupy"):
        engines.prepare(lstmgen.load("rnn"), "cuda")
    with pytest.raises(lstmgen.UsageError, match="modules for cpu and cuda, not for mps"):
        engines.prepare(lstmgen.load("rnn"), "mps")
