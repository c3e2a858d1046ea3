"""PyTorch's layers and the generated modules are given the same work."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from needs import missing

from benchmarks.limits import generated, rivals
from benchmarks.limits.device import Device, no_stand_in, on_cpu
from benchmarks.limits.results import MeasurementError, run
from lstmgen.errors import UnavailableError


def sigmoid(x: Any) -> Any:
    """The logistic function."""
    return 1.0 / (1.0 + np.exp(-x))


def test_parameters_as_pytorch_stacks_them_lstm() -> None:
    """PyTorch's documented equations with the stacked weights give the cell's own."""
    rival, hidden, inputs = rivals.RIVALS[0], 3, 4
    random = np.random.default_rng(5)
    params = {f"W_{g}": random.standard_normal((hidden, hidden + inputs)) for g in "fiCo"}
    params |= {f"b_{g}": random.standard_normal(hidden) for g in "fiCo"}
    x, h, c = (random.standard_normal((2, n)) for n in (inputs, hidden, hidden))
    f, i, candidate, o = (
        np.concatenate([h, x], 1) @ params[f"W_{g}"].T + params[f"b_{g}"] for g in "fiCo"
    )
    after = sigmoid(f) * c + sigmoid(i) * np.tanh(candidate)
    expected = sigmoid(o) * np.tanh(after)

    stacked = rivals.torch_parameters(rival, params, hidden)
    gates = x @ stacked["weight_ih_l0"].T + stacked["bias_ih_l0"]
    gates = gates + h @ stacked["weight_hh_l0"].T + stacked["bias_hh_l0"]
    i, f, g, o = np.split(gates, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    np.testing.assert_allclose(sigmoid(o) * np.tanh(c), expected, rtol=1e-12)


def test_parameters_as_pytorch_stacks_them_gru() -> None:
    """PyTorch's documented equations with the stacked weights give the cell's own."""
    rival, hidden, inputs = rivals.RIVALS[1], 3, 4
    random = np.random.default_rng(6)
    params = {f"W_{g}": random.standard_normal((hidden, hidden + inputs)) for g in "rz"}
    params |= {"W_n": random.standard_normal((hidden, inputs))}
    params |= {"U_n": random.standard_normal((hidden, hidden))}
    params |= {name: random.standard_normal(hidden) for name in ("b_r", "b_z", "b_n", "c_n")}
    x, h = (random.standard_normal((2, n)) for n in (inputs, hidden))
    both = np.concatenate([h, x], 1)
    r, z = (sigmoid(both @ params[f"W_{g}"].T + params[f"b_{g}"]) for g in "rz")
    n = x @ params["W_n"].T + params["b_n"] + r * (h @ params["U_n"].T + params["c_n"])
    expected = (1 - z) * np.tanh(n) + z * h

    stacked = rivals.torch_parameters(rival, params, hidden)
    from_x = np.split(x @ stacked["weight_ih_l0"].T + stacked["bias_ih_l0"], 3, axis=1)
    from_h = np.split(h @ stacked["weight_hh_l0"].T + stacked["bias_hh_l0"], 3, axis=1)
    r, z = (sigmoid(a + b) for a, b in zip(from_x[:2], from_h[:2], strict=True))
    n = np.tanh(from_x[2] + r * from_h[2])
    np.testing.assert_allclose((1 - z) * n + z * h, expected, rtol=1e-12)


def test_an_absent_generated_module_says_how_to_make_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generated, "FOLDER", tmp_path)
    device = Device(np, on_gpu=False, quick=True)
    records = [run(case) for case in rivals.cases(device) if case.name == "generated lstm_cupy"]
    assert len(records) == 2
    for record in records:
        assert "lstmgen build lstm --target cupy" in record["error"]


class FakeTorch:
    """`torch.cuda` with events on a clock that each call of the work advances."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now, self.calls = seconds, 0.0, 0
        fake = self

        class Event:
            def __init__(self, *, enable_timing: bool) -> None:
                assert enable_timing

            def record(self) -> None:
                self.at = fake.now

            def synchronize(self) -> None:
                pass

            def elapsed_time(self, other: Any) -> float:
                return float(other.at - self.at) * 1e3

        self.cuda = SimpleNamespace(Event=Event)

    def work(self) -> None:
        self.calls += 1
        self.now += self.seconds


@pytest.mark.parametrize(
    ("seconds", "samples", "calls"), [(0.02, 11, 2 + 11 * rivals.CALLS), (0.5, 3, 2 + 3)]
)
def test_pytorch_is_timed_per_call(seconds: float, samples: int, calls: int) -> None:
    fake = FakeTorch(seconds)
    outcome = rivals._time(fake, fake.work, 11)
    assert outcome.values == pytest.approx([seconds] * samples)
    assert fake.calls == calls


def test_cudnn_is_recognised_in_the_graph() -> None:
    def graph(*names: str) -> Any:
        last = None
        for name in names:
            last = Node(name, last)
        return SimpleNamespace(grad_fn=last)

    class Node:
        def __init__(self, name: str, following: Any) -> None:
            self.name = lambda: name
            self.next_functions = ((following, 0), (None, 0))

    assert rivals._by_cudnn(graph("AccumulateGrad", "CudnnRnnBackward0", "SqueezeBackward0"))
    assert not rivals._by_cudnn(graph("AccumulateGrad", "AddmmBackward0", "StackBackward0"))


# -- the comparison with PyTorch ----------------------------------------------------------------


class OutOfMemoryError(RuntimeError):
    """As PyTorch's."""


BROKEN = [
    OSError("libcudart.so.13: cannot open shared object file"),
    AssertionError("Torch not compiled with CUDA enabled"),
    OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB"),
]


def compare(monkeypatch: pytest.MonkeyPatch, by_pytorch: Any) -> dict[str, Any]:
    """The notes about ones of (2, 3, 4) when PyTorch does as it is told."""
    monkeypatch.setattr(rivals, "torch_parameters", lambda *_: {})
    monkeypatch.setattr(rivals, "_by_pytorch", by_pytorch)
    ones = np.ones((2, 3, 4), np.float32)
    device = Device(np, on_gpu=False, quick=True)
    return dict(rivals._agreement(device, rivals.RIVALS[0], 4, {}, (ones, ones), (ones, ones)))


@pytest.mark.parametrize("error", BROKEN, ids=lambda error: type(error).__name__)
def test_a_pytorch_that_fails_is_noted(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fails(*_: object) -> Any:
        raise error

    notes = compare(monkeypatch, fails)
    first = str(error).splitlines()[0]
    assert notes == {"compared": f"not with PyTorch, which failed: {type(error).__name__}: {first}"}


@pytest.mark.parametrize("error", [OSError("broken"), ImportError("none")], ids=["broken", "none"])
def test_without_pytorch_the_module_is_still_timed(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fails(name: str) -> Any:
        raise error

    monkeypatch.setattr(rivals, "import_module", fails)
    if reason := no_stand_in():
        missing(UnavailableError(reason))
    cases = [c for c in rivals.cases(on_cpu(quick=True)) if c.name == "generated lstm_cupy"]
    for record in map(run, cases):
        assert record["error"] is None and record["not_here"] is None
        assert "not with PyTorch" in record["notes"]["compared"]


@pytest.mark.parametrize(("which", "name"), [(0, "y"), (1, "dx")])
@pytest.mark.parametrize("wrong", [1.1, float("nan")])
def test_another_result_than_pytorchs_is_an_error(
    monkeypatch: pytest.MonkeyPatch, which: int, name: str, wrong: float
) -> None:
    theirs = [np.ones((2, 3, 4), np.float32) for _ in range(2)]
    assert compare(monkeypatch, lambda *_: tuple(theirs)) == {"y_deviation": 0, "dx_deviation": 0}
    theirs[which][1, 2, 3] = wrong
    with pytest.raises(MeasurementError, match=f"^{name} differs from PyTorch's"):
        compare(monkeypatch, lambda *_: tuple(theirs))
