"""The way to CuPy modules, as far as it can be gone without a device.

The modules themselves run through their stand-in on the CPU, below the same operators; what asks a
device for its stream and memory is called with a CuPy that writes down what it is asked.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from torch_layers import B, T, as_state, flat, initial, inputs, layer, torch

import lstmgen
from lstmgen.torch import arrays, engines


class StandInArrays:
    """Arrays of the stand-in, copied from tensors on the CPU and back."""

    keep_spares = False

    def __init__(self, cupy) -> None:
        self.cupy = cupy

    def session(self, device):
        return nullcontext()

    def array(self, tensor):
        return self.cupy.asarray(np.array(tensor.numpy(force=True), order="C"))

    def tensor(self, array):
        return torch.from_numpy(np.array(array.get()))


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
            engine = engines.Engine(made.cell, "stand-in", module, StandInArrays(cupy))
            monkeypatch.setitem(engines._ENGINES, engine.key, engine)
            made._keys["cpu"] = engine.key
        ran = []
        for options in ({}, *({k: v} for k, v in sequences.items()), sequences):
            found = flat(made(x, as_state(state), **options))
            loss = sum(a.sin().sum() for a in found)
            ran += [*found, *torch.autograd.grad(loss, tensors)]
        results.append(ran)
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-13)


class Recorded:
    """A `cupy` that writes down what it is asked for."""

    def __init__(self) -> None:
        self.log: list[tuple[object, ...]] = []
        self.cuda = SimpleNamespace(
            PythonFunctionAllocator=lambda malloc, free: SimpleNamespace(malloc=(malloc, free)),
            Device=self.context("device"),
            ExternalStream=self.context("stream"),
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

    ascontiguousarray = staticmethod(np.ascontiguousarray)


def test_stream_and_allocator_are_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    cupy = Recorded()
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    asked = []
    stream = SimpleNamespace(device=SimpleNamespace(index=3), cuda_stream=4711)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: asked.append(device) or stream)
    monkeypatch.setattr(
        torch.cuda, "caching_allocator_alloc", lambda size, device, stream: (size, stream)[0] + 1
    )
    made = arrays.CupyArrays()
    device = torch.device("cuda", 3)
    with made.session(device):
        assert [entry[0] for entry in cupy.log] == ["device", "stream", "allocator"]
        malloc, free = cupy.log[2][1]
        assert malloc(100, 3) == 101 and free is torch.cuda.caching_allocator_delete
    assert cupy.log[0] == ("device", 3) and cupy.log[1] == ("stream", 4711, 3)
    assert [entry[0] for entry in cupy.log[3:]] == ["allocator", "stream", "device"]
    assert asked == [device, 3]


def test_arrays_share_memory_by_dlpack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", Recorded())
    made = arrays.CupyArrays()
    for tensor in (torch.randn(3, 4, requires_grad=True), torch.randn(3, 4).T, torch.tensor(2.0)):
        array = made.array(tensor)
        assert array.ctypes.data == tensor.data_ptr() and array.shape == tensor.shape
        back = made.tensor(array)
        assert torch.equal(back, tensor) and back.is_contiguous() and back.shape == tensor.shape
    borders = torch.tensor([[True, False]])
    assert made.array(borders).dtype == bool and made.array(borders).tolist() == [[True, False]]


def test_without_cupy_a_layer_says_so() -> None:
    with pytest.raises(lstmgen.UnavailableError, match="rnn cannot be computed on cuda here; cupy"):
        engines.prepare(lstmgen.load("rnn"), "cuda")
    with pytest.raises(lstmgen.UsageError, match="modules for cpu and cuda, not for mps"):
        engines.prepare(lstmgen.load("rnn"), "mps")
