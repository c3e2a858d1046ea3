"""The emulated device: what it is like, in which order it runs, what it has counted."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field

from lstmgen.errors import UsageError

from .native import LaunchOptions

__all__ = ["ORDERS", "Counters", "Emulator"]

ORDERS = ("forward", "reverse", "shuffle", "starve")
"""Orders of threads and blocks; starve runs one warp as far as it can before the next."""


@dataclass
class Counters:
    """What has been done on the device since the last reset.

    launches: RawKernel launches.  products: gemm and matmul.  operations: every other piece of
    work that CuPy would enqueue (fill, copy, add, sum, ...).  allocations: arrays that got memory,
    temporary ones included.  uploads: copies from the host.  synchronisations: points where the
    host waits for the device (get, asnumpy, bool, float, int, item, synchronize).
    """

    launches: int = 0
    products: int = 0
    operations: int = 0
    allocations: int = 0
    uploads: int = 0
    synchronisations: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, name: str, count: int = 1) -> None:
        """Count something; safe among threads."""
        with self._lock:
            setattr(self, name, getattr(self, name) + count)

    def snapshot(self) -> dict[str, int]:
        """The counts by name."""
        with self._lock:
            return {
                name: getattr(self, name) for name in self.__dataclass_fields__ if name[0] != "_"
            }

    def reset(self) -> None:
        """Back to zero."""
        with self._lock:
            for name in self.__dataclass_fields__:
                if name[0] != "_":
                    setattr(self, name, 0)

    @contextmanager
    def during(self) -> Iterator[dict[str, int]]:
        """Gives a dict that holds, after the block, what the block did.

        with emulator.counters.during() as counts:
            ...
        assert counts["allocations"] == 0
        """
        counts: dict[str, int] = {}
        before = self.snapshot()
        try:
            yield counts
        finally:
            counts.update({name: now - before[name] for name, now in self.snapshot().items()})


@dataclass(frozen=True)
class Limits:
    """Limits of the device, those of compute capability 9.0."""

    multiprocessors: int = 132
    threads_per_block: int = 1024
    threads_per_multiprocessor: int = 2048
    blocks_per_multiprocessor: int = 32
    shared_per_block: int = 48 * 1024
    shared_per_block_optin: int = 227 * 1024
    shared_per_multiprocessor: int = 228 * 1024
    grid: tuple[int, int, int] = (2**31 - 1, 65535, 65535)
    block: tuple[int, int, int] = (1024, 1024, 64)
    cluster: int = 8


class Emulator:
    """One emulated device.  It is shared by all objects of one stand-in for cupy.

    order: a name of ORDERS, or "rotate", which takes the next one at every launch (the default;
    environment CUDA_ON_CPU_ORDER).  seed: of the shuffled order (CUDA_ON_CPU_SEED).  sanitize:
    build with AddressSanitizer (CUDA_ON_CPU_SANITIZE=1).  timeout: seconds without progress
    before a launch is given up (CUDA_ON_CPU_TIMEOUT).  edge: "start" or "end", where arrays that
    are made from now on meet a page that cannot be touched, so that a stray read is an error too;
    empty for guards that are looked at after each launch.
    """

    def __init__(
        self,
        *,
        order: str | None = None,
        seed: int | None = None,
        sanitize: bool | None = None,
        timeout: float | None = None,
        multiprocessors: int = 132,
    ) -> None:
        """Arguments that are None are taken from the environment."""
        environment = os.environ
        self.order = order or environment.get("CUDA_ON_CPU_ORDER") or "rotate"
        if self.order not in (*ORDERS, "rotate"):
            raise UsageError(
                f"no order {self.order!r} of threads: choose one of {', '.join(ORDERS)}, rotate"
            )
        self.seed = int(environment.get("CUDA_ON_CPU_SEED", "0")) if seed is None else seed
        self.sanitize = (
            environment.get("CUDA_ON_CPU_SANITIZE", "0") not in ("", "0")
            if sanitize is None
            else sanitize
        )
        self.timeout = (
            float(environment.get("CUDA_ON_CPU_TIMEOUT", "20")) if timeout is None else timeout
        )
        self.edge = ""
        self.limits = Limits(multiprocessors=multiprocessors)
        self.counters = Counters()
        self._numbers = itertools.count()
        self._thread = threading.local()

    def launch_options(
        self, threads: int, shared_bytes: int, *, cooperative: bool, cluster: int
    ) -> LaunchOptions:
        """How the next launch runs; its order and seed follow from the number of launches."""
        number = next(self._numbers)
        order = number % len(ORDERS) if self.order == "rotate" else ORDERS.index(self.order)
        return LaunchOptions(
            cooperative=cooperative,
            order=order,
            seed=(self.seed << 20) + number // (len(ORDERS) if self.order == "rotate" else 1),
            capacity=max(self.resident_blocks(threads, shared_bytes), cluster),
            timeout=self.timeout,
        )

    def resident_blocks(self, threads: int, shared_bytes: int) -> int:
        """How many blocks of this kind the device holds at a time (registers not considered)."""
        limits = self.limits
        per_warp = -(-threads // 32) * 32
        by_shared = limits.shared_per_multiprocessor // (shared_bytes + 1024)
        return limits.multiprocessors * min(
            limits.blocks_per_multiprocessor,
            limits.threads_per_multiprocessor // per_warp,
            by_shared,
        )

    @property
    def streams(self) -> list[object]:
        """The stack of current streams of this thread."""
        if not hasattr(self._thread, "streams"):
            self._thread.streams = []
        stack: list[object] = self._thread.streams
        return stack

    def settings(self) -> dict[str, object]:
        """What a report should say of how the kernels ran."""
        return {
            "order": self.order,
            "seed": self.seed,
            "sanitize": self.sanitize,
            "timeout": self.timeout,
            "limits": asdict(self.limits),
        }
