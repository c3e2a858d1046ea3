"""Device memory: each array in a block of its own, between guard zones that are checked.

Fresh memory is not zero but NaN (integers: a conspicuous pattern), so that the use of what nobody
wrote shows in the result.
"""

from __future__ import annotations

import ctypes
import itertools
import weakref
from functools import lru_cache
from typing import Any

import numpy as np

from lstmgen.guarded import guarded

from .native import runtime_library

__all__ = ["ALIGNMENT", "Allocation"]

ALIGNMENT = 512
"""Bytes; as cudaMalloc aligns for CuPy's pool, so that an aligned load is aligned here too."""

_LEAST_GUARD = 16 << 10
_LARGEST_GUARD = 1 << 20
_INTEGER = 0xA5
_NUMBERS = itertools.count()
_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t)


class Allocation:
    """A block of `size` bytes at `address`, filled with ones (NaN), guarded on both sides."""

    def __init__(self, size: int, *, sanitize: bool, edge: str = "") -> None:
        """Allocate; under AddressSanitizer, and at an `edge`, the guards cannot be touched."""
        self._sanitize, self.size = sanitize, size
        self._pages = bool(edge)
        if edge:
            self.bytes = guarded(size, edge)
            self.bytes.fill(0xFF)
            self.address = self.bytes.ctypes.data
            return
        # An index that is off by a row lands in it, however long the rows are.
        guard = min(max(1 << size.bit_length(), _LEAST_GUARD), _LARGEST_GUARD)
        self._pattern = _guard_pattern(next(_NUMBERS) % _PATTERNS, guard)
        raw = np.empty(size + 2 * guard + ALIGNMENT, np.uint8)
        base = raw.ctypes.data
        self.address = -(-(base + guard) // ALIGNMENT) * ALIGNMENT
        start = self.address - base
        self.bytes = raw[start : start + size]
        self.bytes.fill(0xFF)
        self._before = raw[start - guard : start].data
        self._after = raw[start + size : start + size + guard].data
        self._before[:] = self._after[:] = self._pattern
        self._zones = (self.address - guard, self.address + size)
        if sanitize:
            zones = ((self.address - guard, guard), (self.address + size, guard))
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
        if self._sanitize or self._pages:
            return ""
        pattern, (before, after) = self._pattern, self._zones
        size = len(pattern)
        if not (_memcmp(before, pattern, size) or _memcmp(after, pattern, size)):
            return ""
        found = []
        if (first := _first_difference(self._after.tobytes(), self._pattern)) is not None:
            found.append(f"{first} bytes past its end")
            self._after[:] = self._pattern
        if (first := _first_difference(self._before.tobytes(), self._pattern)) is not None:
            found.append(f"{len(self._pattern) - first} bytes before its start")
            self._before[:] = self._pattern
        return " and ".join(found)

    def distance(self, address: int) -> int | None:
        """How far `address` lies outside the block, in bytes; None if far away or inside."""
        if self.address <= address < self.address + self.size:
            return None
        far = min(abs(address - self.address), abs(address - self.address - self.size))
        return far if far < 1 << 20 else None


_PATTERNS = 0x7E


@lru_cache(maxsize=_PATTERNS)
def _guard_pattern(number: int, size: int) -> bytes:
    """NaN in every floating type, with other bits from one allocation to the next.

    A kernel that reads behind one array and writes what it makes of it behind another keeps the
    bits of a NaN: the guard must not have them already.
    """
    return bytes((0x81 + number, 0xFF, 0xFF, 0xFF)) * (size // 4)


def _first_difference(found: bytes, expected: bytes) -> int | None:
    if found == expected:
        return None
    return next(k for k, (a, b) in enumerate(zip(found, expected, strict=True)) if a != b)


def _poison(zones: tuple[tuple[int, int], ...], on: bool) -> None:
    runtime = runtime_library(True)
    for address, size in zones:
        runtime.cuda_on_cpu_poison(ctypes.c_void_p(address), size, int(on))
