"""One step of an LSTM as a product by cuBLAS that accumulates, and one fused kernel after it.

The step is the one of a generated module: z[t], which holds the input's share, takes h @ R^T on
top (beta = 1), and a kernel turns z[t] and c into the next c and h.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from . import kernels, model
from .device import Device
from .results import Case, MeasurementError, Outcome, Scalar

SIZES = ((16, 768), (64, 512), (128, 256), (16, 1024))
"""(B, H), as listed for the design of persistent kernels."""

VARIANTS = (
    ("fp32", "cupy.cublas.gemm"),
    ("fp32", "gemmEx"),
    ("tf32", "gemmEx"),
    ("bf16", "gemmEx"),
)
"""Arithmetic, and the call: CuPy's public accumulating product, or cuBLAS's own through CuPy."""

Array = np.ndarray[Any, Any]

STEPS = 64
"""Steps between two events, each with its own z, so that z does not stay in the first cache."""

# From cuBLAS's headers (library_types.h, cublas_api.h).
CUDA_R_32F, CUDA_R_16BF = 0, 14
COMPUTE_32F, COMPUTE_32F_FAST_TF32 = 68, 77
OP_N, OP_T = 0, 1
GEMM_DEFAULT = -1

TOLERANCE = {"fp32": 2e-5, "tf32": 5e-3, "bf16": 1e-2}
"""Largest deviation from float64 allowed in h, whose values lie in (-1, 1)."""


@dataclass
class Layer:
    """The arrays of one layer; h in float32, or as the bits of bf16 in uint16."""

    z: Any
    c: Any
    h: Any
    r: Any
    kind: str
    batch: int
    hidden: int


def cases(device: Device) -> Iterator[Case]:
    """Each size and arithmetic, paced by the host and queued."""
    for batch, hidden in SIZES if device.on_gpu else ((3, 8), (5, 12)):
        for kind, call in VARIANTS:
            settings: dict[str, Scalar] = {
                "B": batch,
                "H": hidden,
                "arithmetic": kind,
                "call": call,
            }
            run = (device, batch, hidden, kind, call)
            yield Case(
                "step as it is issued",
                "us",
                settings,
                model.step_from_host(),
                partial(measure, *run, queued=False),
            )
            yield Case(
                "queued step, device alone",
                "us",
                settings,
                model.step_on_device(batch, hidden, kind),
                partial(measure, *run, queued=True),
            )


def measure(
    device: Device, batch: int, hidden: int, kind: str, call: str, *, queued: bool
) -> Outcome:
    """Microseconds a step, after one step was compared with float64."""
    steps = 8 if device.quick or not device.on_gpu else STEPS
    layer, reference = _layer(device, batch, hidden, kind, steps)
    product = _gemm(device, layer) if call == "cupy.cublas.gemm" else _gemm_ex(device, layer)
    gates = _gates(device, layer)

    product(0)
    gates(0)
    got = _as_float(layer.h.get(), kind)
    deviation = float(np.abs(got - reference).max())
    if not deviation <= TOLERANCE[kind]:  # NaN fails as well
        raise MeasurementError(f"the step is wrong by {deviation:.3g} against float64")

    def sequence() -> None:
        for t in range(steps):
            product(t)
            gates(t)

    timed = device.time_queued(sequence, 1) if queued else device.time(sequence, 1)
    notes: dict[str, Scalar] = {"steps": steps, "deviation": deviation}
    if not device.on_gpu and call == "gemmEx":
        notes["product"] = "on the host"
    return timed.scaled(1e6 / steps).noted(**notes)


def _layer(device: Device, batch: int, hidden: int, kind: str, steps: int) -> tuple[Layer, Array]:
    """Random arrays, and h after one step in float64 from the rounded operands."""
    random = np.random.default_rng(1)
    z = random.standard_normal((steps, batch, 4, hidden)).astype(np.float32)
    c = random.standard_normal((batch, hidden)).astype(np.float32)
    h = random.uniform(-1, 1, (batch, hidden)).astype(np.float32)
    r = (random.standard_normal((4 * hidden, hidden)) / np.sqrt(hidden)).astype(np.float32)
    h_bits, r_bits = (_bf16(h), _bf16(r)) if kind == "bf16" else (h, r)

    total = z[0].astype(np.float64).reshape(batch, 4 * hidden)
    total = total + _as_float(h_bits, kind) @ _as_float(r_bits, kind).T
    f, i, candidate, o = total.reshape(batch, 4, hidden).transpose(1, 0, 2)
    after = _sigmoid(f) * c + _sigmoid(i) * np.tanh(candidate)
    to_device = device.cupy.asarray
    layer = Layer(
        to_device(z), to_device(c), to_device(h_bits), to_device(r_bits), kind, batch, hidden
    )
    return layer, _sigmoid(o) * np.tanh(after)


def _gates(device: Device, layer: Layer) -> Callable[[int], None]:
    kernel = device.kernel(kernels.gates("bf16" if layer.kind == "bf16" else "float"))
    count = layer.batch * layer.hidden
    grid, block = (-(-count // (4 * 128)),), (128,)
    sizes = np.int32(count), np.int32(layer.hidden)
    steps = range(layer.z.shape[0])
    arguments = [(layer.z[t], layer.c, layer.h, *sizes) for t in steps]
    return lambda t: kernel(grid, block, arguments[t])


def _gemm(device: Device, layer: Layer) -> Callable[[int], None]:
    if device.on_gpu:
        import_module("cupy.cublas")  # not imported with cupy
    gemm = device.cupy.cublas.gemm
    shape = (layer.batch, 4 * layer.hidden)
    rows = [layer.z[t].reshape(shape) for t in range(layer.z.shape[0])]
    return lambda t: gemm("N", "T", layer.h, layer.r, out=rows[t], alpha=1.0, beta=1.0)


def _gemm_ex(device: Device, layer: Layer) -> Callable[[int], None]:
    if not device.on_gpu:
        return _gemm_on_host(layer)
    from cupy.cuda.device import get_cublas_handle
    from cupy_backends.cuda.libs import cublas

    # Row-major z (B, 4H) is column-major z^T (4H, B) = op(R) h^T with R^T stored as (H, 4H).
    handle = get_cublas_handle()
    one = np.array(1.0, dtype=np.float32)
    kind = CUDA_R_16BF if layer.kind == "bf16" else CUDA_R_32F
    compute = COMPUTE_32F_FAST_TF32 if layer.kind == "tf32" else COMPUTE_32F
    m, n, k = 4 * layer.hidden, layer.batch, layer.hidden
    pointers = [layer.z[t].data.ptr for t in range(layer.z.shape[0])]
    scale, r, h = one.ctypes.data, layer.r.data.ptr, layer.h.data.ptr

    def product(t: int, _keep: object = one) -> None:
        cublas.gemmEx(
            handle, OP_T, OP_N, m, n, k, scale, r, kind, k, h, kind, k, scale,
            pointers[t], CUDA_R_32F, m, compute, GEMM_DEFAULT,
        )  # fmt: skip

    return product


def _gemm_on_host(layer: Layer) -> Callable[[int], None]:
    """What stands for gemmEx on the stand-in, so that the fused kernels run in a dry run."""

    def product(t: int) -> None:
        h, r = (_as_float(a.get(), layer.kind) for a in (layer.h, layer.r))
        z = layer.z[t].get()
        z += (h @ r.T).reshape(z.shape).astype(np.float32)
        layer.z[t].set(z)

    return product


def _bf16(values: Array) -> Array:
    """The upper half of each float32, rounded to nearest, ties to even."""
    bits = values.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def _as_float(values: Array, kind: str) -> Array:
    if kind == "bf16":
        values = (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float64)


def _sigmoid(x: Array) -> Array:
    y: Array = 1.0 / (1.0 + np.exp(-x))
    return y
