"""What is expected before it is measured: a small model of the device, all of it estimates.

Constants are cycles of an H100 or H200 at 1.755 GHz, bytes per cycle, or public figures in
microseconds a step; each function says which it uses.  The measurements replace them.
"""

from __future__ import annotations

from .results import Prediction

CLOCK_GHZ = 1.755
SMS = 132

FLAG_BARRIER = 1000
"""Cycles: write, release, poll and acquire flags in L2, over a whole grid."""
L2_LATENCY = 300
"""Cycles of a load that is served by L2."""
L2_BYTES_PER_SM = 48
"""Bytes per cycle that one SM reads from L2."""
L2_BYTES = 2900
"""Bytes per cycle that all SMs together read from L2."""
CLUSTER_BARRIER = 210
"""Cycles from arriving at a cluster's barrier to leaving it."""
DSMEM_LATENCY = 210
"""Cycles until a store into a peer's shared memory is visible there."""
DSMEM_BYTES = 16
"""Bytes per cycle and SM into distributed shared memory."""
FFMA = 128
"""Float multiply-adds per cycle and SM; a product reaches about 60% of it."""
MMA = 6.4
"""Cycles of a bf16 m16n8k16 product on one of an SM's four tensor units."""
MMA_LATENCY = 34
STEP_FIXED = 260
"""Cycles a step for barriers in the block, the reduction over warps, gates and conversion."""
KERNEL_GAP = 1.0
"""Microseconds from the end of one queued kernel to the work of the next."""

RESIDENT_CLUSTERS = {1: 132, 2: 66, 4: 30, 8: 15, 16: 7}
"""Clusters by size that an H200 holds at once, a block on each SM: a GPC has 16 or 18 SMs."""

PUBLIC_STEP = {
    "cuDNN fp16": (1.96, 3.1),
    "GEMM and fused kernel": (10.5, 15.3),
    "haste fp32": (18.0, 25.0),
}
"""Microseconds a step, forward and backward, H100, B=16, T=1024, H=768, from public tables."""
REFERENCE = (16, 768)
"""The (B, H) that the public figures are for."""


def launch_from_host() -> Prediction:
    """Microseconds of the host per launch, from the public step of two launches."""
    forward, _ = PUBLIC_STEP["GEMM and fused kernel"]
    return Prediction(forward / 2, "half of the public 10.5 us for a step of two launches")


def product_from_host() -> Prediction:
    """Microseconds of the host per product through CuPy's public `gemm`."""
    launch = launch_from_host().value
    return Prediction(launch + 3, "a launch, and an estimate for the Python around it")


def launch_on_device() -> Prediction:
    """Microseconds from kernel to kernel when the queue is full."""
    return Prediction(KERNEL_GAP, "estimate: gap between queued kernels")


def step_from_host() -> Prediction:
    """Microseconds a step of a product and a fused kernel, issued as it goes."""
    return Prediction(
        PUBLIC_STEP["GEMM and fused kernel"][0], "public: GEMM and fused kernel, forward"
    )


def step_on_device(batch: int, hidden: int, kind: str) -> Prediction:
    """Microseconds a step of an LSTM's product and gates, without waiting for the host."""
    return Prediction(
        _product(batch, hidden, 4, kind) + 2 * KERNEL_GAP,
        "model: larger of arithmetic and weights from L2, plus two kernel gaps",
    )


def fused_kernel(batch: int, hidden: int, arrays: int) -> Prediction:
    """Microseconds of a queued element-wise kernel that moves so many (B, H) arrays of float."""
    moved = arrays * batch * hidden * 4 / (L2_BYTES * CLOCK_GHZ * 1e3)
    return Prediction(KERNEL_GAP + moved, "model: a kernel gap, and what it moves through L2")


def grid_barrier(kind: str, blocks: int = SMS) -> Prediction:
    """SM cycles of a barrier among all blocks of the grid."""
    if kind == "flags":
        return Prediction(FLAG_BARRIER, "model: write, release, poll, acquire through L2")
    if kind == "counter":
        cycles = FLAG_BARRIER + L2_LATENCY + blocks
        return Prediction(cycles, "model: flags, one more trip to L2, an atomic per block")
    cycles = FLAG_BARRIER + 2 * L2_LATENCY + blocks
    return Prediction(cycles, "model: counter, and one more trip to L2 for its bookkeeping")


def grid_exchange(blocks: int, batch: int, hidden: int) -> Prediction:
    """SM cycles until every block has read a float vector (B, H) that all of them wrote."""
    size = batch * hidden * 4
    read = max(size / L2_BYTES_PER_SM, size * blocks / L2_BYTES)
    source = "model: flag barrier, a load from L2, and the slower of an SM's and all SMs' reads"
    return Prediction(FLAG_BARRIER + L2_LATENCY + read, source)


def resident_clusters(size: int) -> Prediction:
    """Clusters of this size that run at the same time, one block on a multiprocessor."""
    return Prediction(RESIDENT_CLUSTERS[size], "model: whole clusters within the GPCs of an H200")


def cluster_barrier() -> Prediction:
    """SM cycles of a cluster's barrier."""
    return Prediction(CLUSTER_BARRIER, "model: arrive to wait, any cluster size")


def cluster_exchange(size: int, size_in_bytes: int) -> Prediction:
    """SM cycles until every block of a cluster has every other's slice of a vector."""
    received = size_in_bytes * (size - 1) / size
    cycles = DSMEM_LATENCY + CLUSTER_BARRIER + received / DSMEM_BYTES
    return Prediction(cycles, "model: store latency, barrier, bytes in at 16 a cycle")


def in_nanoseconds(cycles: Prediction) -> Prediction:
    """A prediction in SM cycles as nanoseconds at the model's clock."""
    return Prediction(cycles.value / CLOCK_GHZ, f"{cycles.source}; at {CLOCK_GHZ} GHz")


def copy_from_memory(clock_khz: int, bus_bits: int) -> Prediction:
    """GB/s read and written by a copy much larger than L2."""
    peak = 2 * clock_khz * 1e3 * bus_bits / 8
    return Prediction(0.9 * peak / 1e9, "90% of memory clock x 2 x bus width")


def copy_in_l2() -> Prediction:
    """GB/s read and written by a copy that stays in L2."""
    return Prediction(L2_BYTES * CLOCK_GHZ, "model: L2 bytes per cycle over the whole chip")


def sequence(
    kind: str, batch: int, steps: int, hidden: int, gates: int, *, backward: bool
) -> Prediction:
    """Milliseconds of cuDNN over a sequence; `kind` is fp16, bf16, tf32 or fp32.

    The public step, scaled from its size to this one by a model of the step, and the products
    with the input of all steps at once (D = H; three times as many in backward).
    """
    if kind in ("fp16", "bf16"):
        forward, back = PUBLIC_STEP["cuDNN fp16"]
        here = _persistent(batch, hidden, gates)
        there = _persistent(*REFERENCE, 4)
        source = "public cuDNN fp16 step, scaled by the model of a persistent step"
    else:
        forward, back = PUBLIC_STEP["haste fp32"]
        here = _product(batch, hidden, gates, kind) + 2 * KERNEL_GAP
        there = _product(*REFERENCE, 4, "fp32") + 2 * KERNEL_GAP
        source = "public haste fp32 step, scaled by the model of product and gates"
    per_step = (forward + (back if backward else 0.0)) * here / there
    # Forward has X W; backward adds dX, dW of the input and dW of the recurrence.
    products = 4 if backward else 1
    inputs = products * steps * _arithmetic(batch, hidden, gates, kind)
    return Prediction((steps * per_step + inputs) / 1e3, f"{source}, plus input products")


def our_sequence(batch: int, steps: int, hidden: int, gates: int, *, backward: bool) -> Prediction:
    """Milliseconds of a generated module, which issues a product and a fused kernel a step."""
    forward, back = PUBLIC_STEP["GEMM and fused kernel"]
    device = _product(batch, hidden, gates, "fp32") + 2 * KERNEL_GAP
    per_step = max(forward, device) + (max(back, device) if backward else 0.0)
    inputs = (4 if backward else 1) * steps * _arithmetic(batch, hidden, gates, "fp32")
    source = "public GEMM and fused kernel, or the model of the device where that is slower"
    return Prediction((steps * per_step + inputs) / 1e3, source)


def _arithmetic(batch: int, hidden: int, gates: int, kind: str) -> float:
    """Microseconds of the multiply-adds of (B, H) x (H, gates H) at full occupancy."""
    rate = {"fp32": 0.6 * FFMA, "tf32": 4 * 1024 / MMA}.get(kind, 4 * 2048 / MMA)
    return batch * gates * hidden * hidden / (rate * SMS * CLOCK_GHZ * 1e3)


def _product(batch: int, hidden: int, gates: int, kind: str) -> float:
    """Microseconds of one step's product: arithmetic, or its weights from L2 when longer."""
    size = 4 if kind in ("fp32", "tf32") else 2
    weights = gates * hidden * hidden * size / (L2_BYTES * CLOCK_GHZ * 1e3)
    return max(_arithmetic(batch, hidden, gates, kind), weights)


def _persistent(batch: int, hidden: int, gates: int) -> float:
    """Microseconds of a step whose weights stay on chip, over the whole grid, in bf16."""
    rows = _round_up(gates * -(-hidden // 128), 16)
    tiles = rows / 16 * _round_up(hidden, 16) / 16 * _round_up(batch, 8) / 8
    exchanged = _round_up(batch, 8) * hidden * 2 / L2_BYTES_PER_SM
    cycles = tiles / 4 * MMA + MMA_LATENCY + exchanged + FLAG_BARRIER + L2_LATENCY + STEP_FIXED
    return cycles / (CLOCK_GHZ * 1e3)


def _round_up(value: int, unit: int) -> int:
    return -(-value // unit) * unit
