"""A vector that all blocks of a grid write and read through L2, as a persistent layer over the
whole grid does with h in every step: each block writes its share, a barrier, each reads it all.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from . import kernels, loops, model
from .device import Device
from .results import Case, NotHereError, Outcome, Scalar

ITERATIONS = 2000


def cases(device: Device) -> Iterator[Case]:
    """Each number of blocks and size of vector in SM cycles, and in nanoseconds by events."""
    for exchanged in kernels.GRID_EXCHANGES if device.on_gpu else kernels.SMALL_GRID_EXCHANGES:
        blocks, batch, hidden = exchanged
        settings: dict[str, Scalar] = {
            "blocks": blocks,
            "B": batch,
            "H": hidden,
            "KiB": round(batch * hidden * 4 / 1024, 3),
        }
        expected = model.grid_exchange(blocks, batch, hidden)
        yield Case(
            "exchange through L2, by the SM clock",
            "cycles",
            settings,
            expected,
            partial(_measure, device, *exchanged, by_clock=True),
        )
        yield Case(
            "exchange through L2, by events",
            "ns",
            settings,
            model.in_nanoseconds(expected),
            partial(_measure, device, *exchanged, by_clock=False),
        )


def _measure(device: Device, blocks: int, batch: int, hidden: int, *, by_clock: bool) -> Outcome:
    if blocks > device.sms:
        raise NotHereError(f"{blocks} blocks need as many multiprocessors; here are {device.sms}")
    kernel = device.kernel(kernels.grid_exchange(blocks, batch, hidden), cooperative=True)
    flags = device.cupy.zeros(blocks, dtype=np.uint32)
    vectors = device.cupy.zeros(2 * batch * hidden, dtype=np.float32)
    return loops.measure(
        device,
        kernel,
        blocks,
        ITERATIONS if device.on_gpu else 5,
        by_clock=by_clock,
        buffers=(flags, vectors),
        flags=flags,
        shared=batch * hidden * 4,
    )
