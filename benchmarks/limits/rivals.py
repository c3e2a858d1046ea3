"""Whole sequences: PyTorch's nn.LSTM and nn.GRU (cuDNN) beside the generated modules.

The same work for both: D = H inputs, output at every step, gradients of all parameters and of the
input.  Forward keeps what backward needs.  PyTorch's GRU resets after the product, so it stands
beside `gru_reset_after`; the generated modules compute in float32.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from . import generated, model
from .device import Device
from .results import Case, MeasurementError, NotHereError, Outcome, Scalar

SIZES = (
    (100, 32, 64), (100, 32, 256), (1024, 16, 768), (512, 64, 512), (1024, 16, 1024),
    (256, 128, 256),
)  # fmt: skip
"""(T, B, H)."""
KINDS = ("fp16", "bf16", "fp32", "tf32")
"""PyTorch's arithmetic; its own default for float32 in cuDNN is tf32."""
MILLISECONDS = 1e3
CALLS = 3
SLOW = 0.1
"""Seconds above which a case (PyTorch without cuDNN) is sampled only three times."""
AGREEMENT = 1e-3
"""Largest deviation allowed between the two float32 results, relative to the largest value."""

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Rival:
    """A layer of PyTorch, the module that computes the same, and the layer's number of gates."""

    layer: str
    module: str
    gates: int
    order: tuple[str, ...]
    """Our names of the gates in the order of PyTorch's stacked weights."""


RIVALS = (
    Rival("LSTM", "lstm_cupy", 4, ("i", "f", "C", "o")),
    Rival("GRU", "gru_reset_after_cupy", 3, ("r", "z", "n")),
)


def cases(device: Device) -> Iterator[Case]:
    """Per layer and size, forward and forward with backward: PyTorch in each type, then ours."""
    for rival in RIVALS:
        for size in SIZES if device.on_gpu else ((4, 3, 8),):
            steps, batch, hidden = size
            for backward in (False, True):
                settings = {
                    "T": steps,
                    "B": batch,
                    "H": hidden,
                    "pass": "forward+backward" if backward else "forward",
                }
                for kind in KINDS:
                    yield Case(
                        f"PyTorch nn.{rival.layer}",
                        "ms",
                        {**settings, "arithmetic": kind},
                        model.sequence(kind, batch, steps, hidden, rival.gates, backward=backward),
                        partial(_pytorch, device, rival, size, kind, backward),
                    )
                for how, as_graph in (("", False), (", replayed from a graph", True)):
                    yield Case(
                        f"generated {rival.module}{how}",
                        "ms",
                        {**settings, "arithmetic": "fp32"},
                        model.our_sequence(batch, steps, hidden, rival.gates, backward=backward),
                        partial(_ours, device, rival, size, backward, as_graph),
                    )


# -- PyTorch ---------------------------------------------------------------------------------


def _torch() -> ModuleType:
    try:
        return import_module("torch")
    except ImportError as error:
        raise NotHereError(f"PyTorch is not installed: {error}") from error


def _set_tf32(torch: Any, allowed: bool) -> None:
    with warnings.catch_warnings():  # newer versions announce newer names of these settings
        warnings.simplefilter("ignore")
        torch.backends.cudnn.allow_tf32 = allowed
        torch.backends.cuda.matmul.allow_tf32 = allowed


def _layer(device: Device, torch: Any, rival: Rival, hidden: int, kind: str) -> Any:
    types = {"fp16": torch.float16, "bf16": torch.bfloat16}
    _set_tf32(torch, kind == "tf32")
    torch.manual_seed(0)
    layer = getattr(torch.nn, rival.layer)(hidden, hidden)
    place = "cuda" if device.on_gpu else "cpu"
    return layer.to(device=place, dtype=types.get(kind, torch.float32))


def _pytorch(
    device: Device, rival: Rival, size: tuple[int, int, int], kind: str, backward: bool
) -> Outcome:
    torch = _torch()
    if device.on_gpu and not torch.cuda.is_available():
        raise MeasurementError("PyTorch sees no CUDA device")
    if not device.on_gpu and kind != "fp32":
        raise NotHereError("PyTorch is only run in float32 without a GPU")
    steps, batch, hidden = size
    layer = _layer(device, torch, rival, hidden, kind)
    like = next(layer.parameters())
    x, dy = (torch.randn(steps, batch, hidden, device=like.device).to(like.dtype) for _ in range(2))
    x.requires_grad_(True)

    def work() -> Any:
        y, _ = layer(x)
        if backward:
            x.grad = None
            layer.zero_grad(set_to_none=True)
            y.backward(dy)
        return y

    by = "cuDNN" if _by_cudnn(work()) else "not cuDNN"
    version = torch.backends.cudnn.version() if torch.cuda.is_available() else None
    notes = {"by": by, "cudnn": version or "none", "torch": torch.__version__}
    if not device.on_gpu:
        return Outcome(None, notes)
    return _time(torch, work, 3 if device.quick else 11).scaled(MILLISECONDS).noted(**notes)


def _time(torch: Any, work: Callable[[], object], samples: int) -> Outcome:
    """Seconds per call by PyTorch's events."""
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def sample(calls: int) -> float:
        start.record()
        for _ in range(calls):
            work()
        end.record()
        end.synchronize()
        return float(start.elapsed_time(end)) * 1e-3 / calls

    sample(1)  # the first calls choose algorithms and take memory
    if sample(1) > SLOW:
        return Outcome(tuple(sample(1) for _ in range(3)))
    return Outcome(tuple(sample(CALLS) for _ in range(samples)))


def _by_cudnn(y: Any) -> bool:
    """Whether the graph behind `y` has cuDNN's node; PyTorch falls back without a word."""
    waiting, seen = [y.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if "Cudnn" in node.name():
            return True
        waiting.extend(following for following, _ in node.next_functions)
    return False


# -- the generated modules -------------------------------------------------------------------


def _ours(
    device: Device, rival: Rival, size: tuple[int, int, int], backward: bool, as_graph: bool = False
) -> Outcome:
    """As it is issued; or captured once by the user and replayed, with the arrays where they are.

    The second shows what the host costs, and what a user can do about it.
    """
    if as_graph and not device.on_gpu:
        raise NotHereError("graphs of launches need a GPU")
    module = generated.load(device, rival.module)
    steps, batch, hidden = size
    params = module.init_params(hidden, hidden, seed=0, dtype="float32")
    random = np.random.default_rng(2)
    x_host = random.standard_normal((steps, batch, hidden)).astype(np.float32)
    dy_host = random.standard_normal((steps, batch, hidden)).astype(np.float32)
    x, dy = device.cupy.asarray(x_host), device.cupy.asarray(dy_host)

    y, _, tape = module.forward(params, x)
    _, dx, _ = module.backward(params, tape, dy)
    notes = _agreement(
        device, rival, hidden, {name: value.get() for name, value in params.items()},
        (x_host, dy_host), (y.get(), dx.get()),
    )  # fmt: skip

    def work() -> None:
        nonlocal tape
        _, _, tape = module.forward(params, x, reuse=tape)
        if backward:
            module.backward(params, tape, dy)

    samples = 3 if device.quick else 11
    if not as_graph:
        timed = device.time(work, CALLS, samples=samples)
        return timed.scaled(MILLISECONDS).noted(**notes)
    stream = device.cupy.cuda.Stream(non_blocking=True)
    with stream:
        work()  # takes what memory it needs on this stream, which a capture cannot
        work()
        stream.synchronize()
        stream.begin_capture()
        try:
            work()
        except NotImplementedError as error:
            raise NotHereError(f"CuPy cannot capture it: {error}") from error
        finally:
            graph = stream.end_capture()
        timed = device.time(lambda: graph.launch(stream=stream), CALLS, samples=samples)
    return timed.scaled(MILLISECONDS).noted(**notes)


def _agreement(
    device: Device,
    rival: Rival,
    hidden: int,
    params: Mapping[str, Array],
    given: tuple[Array, Array],
    got: tuple[Array, Array],
) -> dict[str, Scalar]:
    """Compare y and dx with PyTorch's in float32; MeasurementError when they differ.

    Where PyTorch cannot compute them, for whatever reason, a note says so: that is no fault of
    the module, whose time is still wanted.
    """
    stacked = torch_parameters(rival, params, hidden)
    try:
        expected = _by_pytorch(device, rival, hidden, stacked, given)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return {"compared": f"not with PyTorch, which failed: {reason[:200]}"}
    notes: dict[str, Scalar] = {}
    for name, ours, theirs in zip(("y", "dx"), got, expected, strict=True):
        deviation = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
        if not deviation <= AGREEMENT:  # NaN fails as well
            raise MeasurementError(f"{name} differs from PyTorch's by {deviation:.3g}, relative")
        notes[f"{name}_deviation"] = deviation
    return notes


def _by_pytorch(
    device: Device,
    rival: Rival,
    hidden: int,
    stacked: Mapping[str, Array],
    given: tuple[Array, Array],
) -> tuple[Array, Array]:
    """PyTorch's y and dx in float32 for x and dy; whatever it raises."""
    torch = _torch()
    layer = _layer(device, torch, rival, hidden, "fp32")
    with torch.no_grad():
        for name, value in stacked.items():
            parameter = getattr(layer, name)
            parameter.copy_(torch.from_numpy(value))
    place = next(layer.parameters()).device
    x, dy = (torch.from_numpy(value).to(place) for value in given)
    x.requires_grad_(True)
    y, _ = layer(x)
    y.backward(dy)
    return y.detach().cpu().numpy(), x.grad.cpu().numpy()


def torch_parameters(rival: Rival, params: Mapping[str, Array], hidden: int) -> dict[str, Array]:
    """Our parameters as PyTorch stacks them: rows by gate, two matrices, two biases.

    A weight of ours has the columns of h first, then those of x.  Where the product with h has a
    parameter of its own (U, c), it is PyTorch's hidden weight and bias; elsewhere the hidden bias
    is zero, as PyTorch's two biases only add up.
    """
    inputs, recurrent, input_bias, hidden_bias = [], [], [], []
    for gate in rival.order:
        weight = params[f"W_{gate}"]
        own = f"U_{gate}" in params
        inputs.append(weight if own else weight[:, hidden:])
        recurrent.append(params[f"U_{gate}"] if own else weight[:, :hidden])
        input_bias.append(params[f"b_{gate}"])
        hidden_bias.append(params[f"c_{gate}"] if own else np.zeros_like(params[f"b_{gate}"]))
    return {
        "weight_ih_l0": np.concatenate(inputs),
        "weight_hh_l0": np.concatenate(recurrent),
        "bias_ih_l0": np.concatenate(input_bias),
        "bias_hh_l0": np.concatenate(hidden_bias),
    }
