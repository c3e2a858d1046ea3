"""cupy.cuda: the device, streams, events and the few calls of the runtime that modules make."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, ClassVar

from .emulator import Emulator

__all__ = ["CUDARuntimeError", "Device", "Event", "Stream"]


class CUDARuntimeError(RuntimeError):
    """An error of the CUDA runtime."""


class Device:
    """The emulated device; there is one, with the number 0."""

    _emulator: ClassVar[Emulator]

    def __init__(self, device: int | None = None) -> None:
        """Device 0, or the current one, which is the same."""
        if device not in (None, 0):
            raise CUDARuntimeError(f"cudaErrorInvalidDevice: invalid device ordinal {device}")
        self.id = 0

    @property
    def compute_capability(self) -> str:
        """Major and minor version: an H100 or H200."""
        return "90"

    @property
    def attributes(self) -> dict[str, int]:
        """What modules ask a device for, by CuPy's names."""
        limits = self._emulator.limits
        return {
            "CooperativeLaunch": 1,
            "MaxBlockDimX": limits.block[0],
            "MaxBlockDimY": limits.block[1],
            "MaxBlockDimZ": limits.block[2],
            "MaxBlocksPerMultiprocessor": limits.blocks_per_multiprocessor,
            "MaxGridDimX": limits.grid[0],
            "MaxGridDimY": limits.grid[1],
            "MaxGridDimZ": limits.grid[2],
            "MaxSharedMemoryPerBlock": limits.shared_per_block,
            "MaxSharedMemoryPerBlockOptin": limits.shared_per_block_optin,
            "MaxSharedMemoryPerMultiprocessor": limits.shared_per_multiprocessor,
            "MaxThreadsPerBlock": limits.threads_per_block,
            "MaxThreadsPerMultiProcessor": limits.threads_per_multiprocessor,
            "MultiProcessorCount": limits.multiprocessors,
            "WarpSize": 32,
        }

    def synchronize(self) -> None:
        """Wait for the device."""
        self._emulator.counters.add("synchronisations")

    def use(self) -> None:
        """Make it the current device, which it is."""

    def __int__(self) -> int:
        """Its number."""
        return self.id

    def __enter__(self) -> Device:
        """Make it the current device."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Back to the one before, the same."""


class Stream:
    """A queue of work; everything is done at once here, so streams only say where it went."""

    _emulator: ClassVar[Emulator]
    _null: ClassVar[bool] = False

    def __init__(self, null: bool = False, non_blocking: bool = False, ptds: bool = False) -> None:
        """A new stream, or with `null` the default one."""
        self.ptr = 0 if null else id(self)
        self.non_blocking = non_blocking

    def synchronize(self) -> None:
        """Wait for its work."""
        self._emulator.counters.add("synchronisations")

    def record(self, event: Event | None = None) -> Event:
        """Put an event into the stream."""
        made = event if event is not None else self._new_event()
        made.record(self)
        return made

    def wait_event(self, event: Event) -> None:
        """Later work waits for the event."""
        if not event.recorded:
            raise CUDARuntimeError("cudaErrorInvalidResourceHandle: the event was not recorded")

    def use(self) -> Stream:
        """Make it the current stream of this thread."""
        self._emulator.streams[:] = [self]
        return self

    def _new_event(self) -> Event:
        made: Event = type("Event", (Event,), {"_emulator": self._emulator})()
        return made

    def __enter__(self) -> Stream:
        """Make it the current stream of this thread."""
        self._emulator.streams.append(self)
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Back to the one before."""
        self._emulator.streams.pop()


class Event:
    """A mark in a stream, with the time at which it was passed."""

    _emulator: ClassVar[Emulator]

    def __init__(
        self, block: bool = False, disable_timing: bool = False, interprocess: bool = False
    ) -> None:
        """An event that has not been recorded."""
        self.recorded: float | None = None
        self._timed = not disable_timing

    def record(self, stream: Any = None) -> None:
        """Mark the place reached in the stream."""
        self.recorded = time.perf_counter()

    def synchronize(self) -> None:
        """Wait until it has been passed."""
        self._emulator.counters.add("synchronisations")

    @property
    def done(self) -> bool:
        """Whether it has been passed: always."""
        return True

    @staticmethod
    def elapsed(start: Event, end: Event) -> float:
        """Milliseconds between two recorded events."""
        if start.recorded is None or end.recorded is None or not (start._timed and end._timed):
            raise CUDARuntimeError("cudaErrorInvalidResourceHandle: no time was recorded")
        return 1000.0 * (end.recorded - start.recorded)
