"""Device memory: each array in a block of its own, between guard zones that are checked.

Fresh memory is not zero but NaN (integers: a conspicuous pattern), so that the use of what nobody
wrote shows in the result.
"""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import numpy as np

from .native import runtime_library

__all__ = ["ALIGNMENT", "Allocation"]

ALIGNMENT = 512
"""Bytes; as cudaMalloc aligns for CuPy's pool, so that an aligned load is aligned here too."""

_GUARD = 512
_PATTERN = b"\xff" * _GUARD  # NaN in every floating type
_INTEGER = 0xA5


class Allocation:
    """A block of `size` bytes at `address`, filled with ones (NaN), guarded on both sides."""

    def __init__(self, size: int, *, sanitize: bool) -> None:
        """Allocate; under AddressSanitizer the guards cannot be touched at all."""
        raw = np.empty(size + 2 * _GUARD + ALIGNMENT, np.uint8)
        raw.fill(0xFF)
        base = raw.ctypes.data
        self.address = -(-(base + _GUARD) // ALIGNMENT) * ALIGNMENT
        self.size = size
        start = self.address - base
        self.bytes = raw[start : start + size]
        self._before = raw[start - _GUARD : start].data
        self._after = raw[start + size : start + size + _GUARD].data
        self._sanitize = sanitize
        if sanitize:
            zones = ((self.address - _GUARD, _GUARD), (self.address + size, _GUARD))
            _poison(zones, True)
            weakref.finalize(raw, _poison, zones, False)

    def array(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], order: str
    ) -> np.ndarray[Any, Any]:
        """The memory as an array; an integer one is filled with the pattern 0xA5."""
        if dtype.kind not in "fc":
            self.bytes.fill(_INTEGER if dtype.kind != "b" else 1)
        return np.ndarray(shape, dtype, self.bytes, order="F" if order == "F" else "C")

    def damage(self) -> str:
        """What was written into the guard zones, or an empty string; the zones are restored."""
        if self._sanitize:
            return ""
        found = []
        if self._after.tobytes() != _PATTERN:
            first = next(i for i, byte in enumerate(self._after) if byte != 0xFF)
            found.append(f"{first} bytes past its end")
            self._after[:] = _PATTERN
        if self._before.tobytes() != _PATTERN:
            first = next(i for i, byte in enumerate(self._before) if byte != 0xFF)
            found.append(f"{_GUARD - first} bytes before its start")
            self._before[:] = _PATTERN
        return " and ".join(found)

    def distance(self, address: int) -> int | None:
        """How far `address` lies outside the block, in bytes; None if far away or inside."""
        if self.address <= address < self.address + self.size:
            return None
        far = min(abs(address - self.address), abs(address - self.address - self.size))
        return far if far < 1 << 20 else None


def _poison(zones: tuple[tuple[int, int], ...], on: bool) -> None:
    runtime = runtime_library(True)
    for address, size in zones:
        runtime.cuda_on_cpu_poison(ctypes.c_void_p(address), size, int(on))
