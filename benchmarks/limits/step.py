"""One step of an LSTM as a product by cuBLAS that accumulates, and one fused kernel after it.

The step is the one of a generated module: z[t], which holds the input's share, takes h @ R^T on
top (beta = 1), and a kernel turns z[t] and c into the next c and h.  That kernel is written by hand
for this, or the module's own, which keeps the gates and every c and h for backward.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np

from . import generated, kernels, model
from .device import Device
from .results import Case, MeasurementError, Outcome, Scalar

SIZES = ((16, 768), (64, 512), (128, 256), (16, 1024))
"""(B, H), as listed for the design of persistent kernels."""

BY_HAND = "by hand"
GENERATED = ("forward_h", "forward_h_wide")
"""The kernel of the generated lstm, a unit a thread and four; it takes either by the size."""
VARIANTS = (
    ("fp32", "cupy.cublas.gemm", BY_HAND),
    *(("fp32", "cupy.cublas.gemm", kernel) for kernel in GENERATED),
    ("fp32", "gemmEx", BY_HAND),
    ("tf32", "gemmEx", BY_HAND),
    ("bf16", "gemmEx", BY_HAND),
)
"""Arithmetic, call and kernel; the call is CuPy's public accumulating product, or cuBLAS's own
through CuPy."""

Array = np.ndarray[Any, Any]

STEPS = 64
"""Steps between two events, each with its own z, so that z does not stay in the first cache."""

MOVED = {BY_HAND: 7, **dict.fromkeys(GENERATED, 11)}
"""Arrays of (B, H) that a kernel reads and writes; the generated ones write the gates too."""

# From cuBLAS's headers (library_types.h, cublas_api.h).
CUDA_R_32F, CUDA_R_16BF = 0, 14
COMPUTE_32F, COMPUTE_32F_FAST_TF32 = 68, 77
OP_N, OP_T = 0, 1
GEMM_DEFAULT = -1

TOLERANCE = {"fp32": 2e-5, "tf32": 5e-3, "bf16": 1e-2}
"""Largest deviation from float64 allowed in h, whose values lie in (-1, 1)."""


@dataclass
class Layer:
    """The arrays of one layer; h in float32, or as the bits of bf16 in uint16.

    `c` and `h` have an array for each step and one more; by hand it is the same one throughout.
    """

    z: Any
    c: list[Any]
    h: list[Any]
    r: Any
    kind: str
    batch: int
    hidden: int
    first: tuple[Any, Any]
    """What z and c were at first."""

    def refill(self) -> None:
        """Undo what steps add to z and c: repeated, they would drive the gates into saturation."""
        z, c = self.first
        self.z[...] = z
        self.c[0][...] = c


def cases(device: Device) -> Iterator[Case]:
    """Each size, arithmetic and kernel, paced by the host and queued; and each kernel alone."""
    for batch, hidden in SIZES if device.on_gpu else ((3, 8), (5, 12)):
        size: dict[str, Scalar] = {"B": batch, "H": hidden}
        for kind, call, kernel in VARIANTS:
            settings = {**size, "arithmetic": kind, "call": call, "kernel": kernel}
            run = (device, batch, hidden, kind, call, kernel)
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
        for kernel in (BY_HAND, *GENERATED):
            yield Case(
                "queued fused kernel, device alone",
                "us",
                {**size, "arithmetic": "fp32", "kernel": kernel},
                model.fused_kernel(batch, hidden, MOVED[kernel]),
                partial(measure, device, batch, hidden, "fp32", None, kernel, queued=True),
            )


def measure(
    device: Device,
    batch: int,
    hidden: int,
    kind: str,
    call: str | None,
    kernel: str,
    *,
    queued: bool,
) -> Outcome:
    """Microseconds a step, or of its kernel alone without a call, compared with float64 first."""
    steps = 8 if device.quick or not device.on_gpu else STEPS
    with_product = call is not None
    own = kernel in GENERATED
    layer, reference = _layer(device, batch, hidden, kind, steps, own=own, product=with_product)
    work = [_generated(device, layer, kernel) if own else _gates(device, layer)]
    if with_product:
        by_cupy = call == "cupy.cublas.gemm"
        work.insert(0, _gemm(device, layer) if by_cupy else _gemm_ex(device, layer))

    for part in work:
        part(0)
    got = _as_float(layer.h[1].get(), kind)
    deviation = float(np.abs(got - reference).max())
    if not deviation <= TOLERANCE[kind]:  # NaN fails as well
        raise MeasurementError(f"the step is wrong by {deviation:.3g} against float64")

    def sequence() -> None:
        for t in range(steps):
            for part in work:
                part(t)

    time = device.time_queued if queued else device.time
    timed = time(sequence, 1, before=layer.refill)
    notes: dict[str, Scalar] = {"steps": steps, "deviation": deviation}
    if not device.on_gpu and call == "gemmEx":
        notes["product"] = "on the host"
    return timed.scaled(1e6 / steps).noted(**notes)


def _layer(
    device: Device, batch: int, hidden: int, kind: str, steps: int, *, own: bool, product: bool
) -> tuple[Layer, Array]:
    """Random arrays, and h after one step in float64 from the rounded operands.

    With `own`, each step has its own c and h, as in a generated module.
    """
    random = np.random.default_rng(1)
    z = random.standard_normal((steps, batch, 4, hidden)).astype(np.float32)
    c = random.standard_normal((batch, hidden)).astype(np.float32)
    h = random.uniform(-1, 1, (batch, hidden)).astype(np.float32)
    r = (random.standard_normal((4 * hidden, hidden)) / np.sqrt(hidden)).astype(np.float32)
    h_bits, r_bits = (_bf16(h), _bf16(r)) if kind == "bf16" else (h, r)

    total = z[0].astype(np.float64).reshape(batch, 4 * hidden)
    if product:
        total = total + _as_float(h_bits, kind) @ _as_float(r_bits, kind).T
    f, i, candidate, o = total.reshape(batch, 4, hidden).transpose(1, 0, 2)
    after = _sigmoid(f) * c + _sigmoid(i) * np.tanh(candidate)
    to_device = device.cupy.asarray

    def states(values: Array) -> list[Any]:
        if not own:
            return [to_device(values)] * (steps + 1)
        every = np.zeros((steps + 1, *values.shape), values.dtype)
        every[0] = values
        every = to_device(every)
        return [every[t] for t in range(steps + 1)]

    layer = Layer(
        z=to_device(z),
        c=states(c),
        h=states(h_bits),
        r=to_device(r_bits),
        kind=kind,
        batch=batch,
        hidden=hidden,
        first=(to_device(z), to_device(c)),
    )
    return layer, _sigmoid(o) * np.tanh(after)


def _gates(device: Device, layer: Layer) -> Callable[[int], None]:
    """The kernel written by hand, on z[t]."""
    kernel = device.kernel(kernels.gates("bf16" if layer.kind == "bf16" else "float"))
    count = layer.batch * layer.hidden
    grid, block = (-(-count // (4 * 128)),), (128,)
    sizes = np.int32(count), np.int32(layer.hidden)
    steps = range(layer.z.shape[0])
    arguments = [(layer.z[t], layer.c[t], layer.h[t + 1], *sizes) for t in steps]
    return lambda t: kernel(grid, block, arguments[t])


def _generated(device: Device, layer: Layer, name: str) -> Callable[[int], None]:
    """A kernel of the generated lstm on z[t], launched as the module would; its biases are zero."""
    kernel = generated.load(device, "lstm_cupy")._kernel(name, np.dtype(np.float32))
    wide = name.endswith("_wide")
    processors = device.attribute("MultiProcessorCount")
    grid, block = module_launch(layer.batch, layer.hidden, processors, wide=wide)
    biases = [device.cupy.zeros(layer.hidden, dtype=np.float32)] * 4
    sizes = np.int32(layer.batch), np.int32(layer.hidden)
    c, h = layer.c, layer.h
    arguments = [
        (layer.z[t], c[t], c[t + 1], h[t + 1], *biases, *sizes) for t in range(layer.z.shape[0])
    ]
    return lambda t: kernel(grid, block, arguments[t])


def module_launch(
    rows: int, size: int, processors: int, *, wide: bool
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Grid and block as a generated module chooses them, for the kernel of its choice or the other.

    The module's own rule takes the wide kernel only for large sizes; a test compares the two.
    """
    units = -(-size // 4) if wide else size
    across = 32
    while across >= 2 * units:
        across //= 2
    threads = 256
    while threads > 64 and rows * units < threads * processors:
        threads //= 2
    down = min(threads // across, rows)
    return (-(-units // across), min(-(-rows // down), 65535)), (across, down)


def _gemm(device: Device, layer: Layer) -> Callable[[int], None]:
    if device.on_gpu:
        import_module("cupy.cublas")  # not imported with cupy
    gemm = device.cupy.cublas.gemm
    shape = (layer.batch, 4 * layer.hidden)
    rows = [layer.z[t].reshape(shape) for t in range(layer.z.shape[0])]
    return lambda t: gemm("N", "T", layer.h[t], layer.r, out=rows[t], alpha=1.0, beta=1.0)


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
    operands = [h.data.ptr for h in layer.h]
    scale, r = one.ctypes.data, layer.r.data.ptr

    def product(t: int, _keep: object = one) -> None:
        cublas.gemmEx(
            handle, OP_T, OP_N, m, n, k, scale, r, kind, k, operands[t], kind, k, scale,
            pointers[t], CUDA_R_32F, m, compute, GEMM_DEFAULT,
        )  # fmt: skip

    return product


def _gemm_on_host(layer: Layer) -> Callable[[int], None]:
    """What stands for gemmEx on the stand-in, so that the fused kernels run in a dry run."""

    def product(t: int) -> None:
        h, r = (_as_float(a.get(), layer.kind) for a in (layer.h[t], layer.r))
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
