"""The functions of cupy and cupy.cublas that generated modules call."""

from __future__ import annotations

from typing import Any

import numpy as np

from .array import allocate, host_array, host_operand, ndarray, operate, upload
from .emulator import Emulator

__all__ = ["Cublas", "Functions"]


class Functions:
    """Each public method is the function of that name in the stand-in for cupy."""

    def __init__(self, emulator: Emulator) -> None:
        """Functions that work on this device."""
        self._emulator = emulator

    # ---- making arrays

    def empty(self, shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
        """New memory; it holds NaN (integers: a pattern), never zeros by luck."""
        return allocate(self._emulator, shape, dtype, order)

    def zeros(self, shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
        """A new array of zeros."""
        return self.full(shape, 0, dtype, order)

    def ones(self, shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
        """A new array of ones."""
        return self.full(shape, 1, dtype, order)

    def full(self, shape: Any, fill_value: Any, dtype: Any = None, order: str = "C") -> ndarray:
        """A new array of one value."""
        kind = np.dtype(type(fill_value)) if dtype is None else np.dtype(dtype)
        made = allocate(self._emulator, shape, kind, order)
        made.fill(fill_value)
        return made

    def empty_like(self, prototype: ndarray, dtype: Any = None, order: str = "K") -> ndarray:
        """New memory in the shape and dtype of another array."""
        host = host_array(prototype, "prototype")
        return allocate(self._emulator, host.shape, dtype or host.dtype, order, like=host)

    def zeros_like(self, a: ndarray, dtype: Any = None, order: str = "K") -> ndarray:
        """Zeros in the shape and dtype of another array."""
        made = self.empty_like(a, dtype, order)
        made.fill(0)
        return made

    def array(
        self, obj: Any, dtype: Any = None, copy: bool = True, order: str = "K", ndmin: int = 0
    ) -> ndarray:
        """An array from a NumPy array, numbers, or an array of the target (copied)."""
        if isinstance(obj, ndarray):
            if dtype is not None and obj.dtype != np.dtype(dtype):
                return obj.astype(dtype)
            return obj.copy(order) if copy else obj
        return upload(self._emulator, np.array(obj, dtype, order="K", ndmin=ndmin), order)

    def asarray(self, a: Any, dtype: Any = None, order: str | None = None) -> ndarray:
        """The array itself where it is one of the target, otherwise a new one."""
        return self.array(a, dtype, copy=False, order=order or "K")

    def ascontiguousarray(self, a: Any, dtype: Any = None) -> ndarray:
        """A C-contiguous array of one axis at least: itself, a view of it, or a copy."""
        made = self.asarray(a, dtype)
        made = made if made.ndim else made.reshape(1)
        return made if made.flags.c_contiguous else made.copy("C")

    def asnumpy(self, a: Any, stream: Any = None, order: str = "C", out: Any = None) -> Any:
        """The values as a NumPy array; the host waits for the device."""
        if isinstance(a, ndarray):
            return a.get(stream, order, out)
        return np.asarray(a)

    # ---- moving and computing

    def concatenate(self, tup: Any, axis: int | None = 0, out: Any = None) -> ndarray:
        """Join arrays along an axis; `out` takes the result."""
        hosts = [host_array(a, "an array of concatenate") for a in tup]
        if out is not None:
            host_array(out, "out")[...] = np.concatenate(hosts, axis)
            self._emulator.counters.add("operations")
            assert isinstance(out, ndarray)
            return out
        result = np.concatenate(hosts, axis)
        made = allocate(self._emulator, result.shape, result.dtype)
        made._host[...] = result
        self._emulator.counters.add("operations")
        return made

    def copyto(self, dst: ndarray, src: Any) -> None:
        """Write an array of the target, or a scalar, into another."""
        source = host_operand(src)
        host = host_array(dst, "dst")
        with np.errstate(all="ignore"):
            np.copyto(host, source, casting="same_kind")
        self._emulator.counters.add("operations")

    def add(self, x1: Any, x2: Any, out: Any = None) -> ndarray:
        """x1 + x2."""
        return operate(self._emulator, np.add, (x1, x2), out)

    def subtract(self, x1: Any, x2: Any, out: Any = None) -> ndarray:
        """x1 - x2."""
        return operate(self._emulator, np.subtract, (x1, x2), out)

    def multiply(self, x1: Any, x2: Any, out: Any = None) -> ndarray:
        """x1 * x2."""
        return operate(self._emulator, np.multiply, (x1, x2), out)

    def sum(
        self,
        a: ndarray,
        axis: Any = None,
        dtype: Any = None,
        out: Any = None,
        keepdims: bool = False,
    ) -> ndarray:
        """Sum over axes."""
        host_array(a, "a")
        return a.sum(axis, dtype, out, keepdims)

    def matmul(self, x1: ndarray, x2: ndarray, out: Any = None) -> ndarray:
        """The matrix product; `out` is overwritten.

        Where CuPy would copy an operand first, because it is contiguous in neither order, an
        allocation is counted.
        """
        a, b = host_array(x1, "x1"), host_array(x2, "x2")
        counters = self._emulator.counters
        for operand in (a, b):
            if not _matrix_contiguous(operand):
                counters.add("allocations")
                counters.add("operations")
        counters.add("products")
        with np.errstate(all="ignore"):
            result = np.matmul(a, b)
        if out is None:
            made = allocate(self._emulator, result.shape, result.dtype)
            made._host[...] = result
            return made
        target = host_array(out, "out")
        if target.shape != result.shape:
            raise ValueError(f"out has shape {target.shape}, the product {result.shape}")
        if not np.can_cast(result.dtype, target.dtype, "same_kind"):
            raise TypeError(f"cannot write a product of {result.dtype} into {target.dtype}")
        if not target.flags.c_contiguous or target.dtype != result.dtype:
            counters.add("allocations")
            counters.add("operations")
        target[...] = result
        assert isinstance(out, ndarray)
        return out


class Cublas:
    """cupy.cublas."""

    def __init__(self, emulator: Emulator) -> None:
        """On this device."""
        self._emulator = emulator

    def gemm(
        self,
        transa: str,
        transb: str,
        a: ndarray,
        b: ndarray,
        out: ndarray | None = None,
        alpha: float = 1.0,
        beta: float = 0.0,
    ) -> ndarray:
        """out = alpha * op(a) @ op(b) + beta * out, where op transposes for 'T' and not for 'N'.

        a, b: two-dimensional, float32 or float64, of one dtype, C- or F-contiguous (CuPy would
        copy others in silence; here that is a ValueError).  out: contiguous, written in place; a
        new F-contiguous array where it is None.  With beta 0 what out held does not matter.
        """
        x, y = (self._operand(v, name) for v, name in ((a, "a"), (b, "b")))
        if x.dtype != y.dtype:
            raise TypeError(f"gemm: a is {x.dtype}, b is {y.dtype}")
        if self._transposes(transa, "transa"):
            x = x.T
        if self._transposes(transb, "transb"):
            y = y.T
        if x.shape[1] != y.shape[0]:
            raise ValueError(f"gemm: op(a) has shape {x.shape}, op(b) {y.shape}")
        shape = (x.shape[0], y.shape[1])
        for value, name in ((alpha, "alpha"), (beta, "beta")):
            if isinstance(value, ndarray):
                raise TypeError(f"gemm: the stand-in takes {name} as a number only")
        if out is None:
            out = allocate(self._emulator, shape, x.dtype, "F")
            beta = 0.0
        target = self._operand(out, "out")
        if target.shape != shape:
            raise ValueError(f"gemm: out has shape {target.shape}, the product {shape}")
        if target.dtype != x.dtype:
            raise TypeError(f"gemm: out is {target.dtype}, the operands are {x.dtype}")
        for name, operand in (("a", a._host), ("b", b._host)):
            if target.size and operand.size and np.may_share_memory(target, operand):
                raise ValueError(f"gemm: out overlaps {name}")
        self._emulator.counters.add("products")
        kind = x.dtype.type
        with np.errstate(all="ignore"):
            product = np.matmul(x, y)
            if alpha != 1:
                product *= kind(alpha)
            if beta == 0:
                target[...] = product
            else:
                if beta != 1:
                    target *= kind(beta)
                target += product
        return out

    @staticmethod
    def _transposes(flag: Any, name: str) -> bool:
        if flag not in ("N", "T"):
            raise TypeError(f"gemm: {name} must be 'N' or 'T', not {flag!r}")
        return bool(flag == "T")

    @staticmethod
    def _operand(value: Any, name: str) -> np.ndarray[Any, Any]:
        host = host_array(value, f"gemm: {name}")
        if host.ndim != 2:
            raise ValueError(f"gemm: {name} has {host.ndim} dimensions, not 2")
        if host.dtype not in (np.float32, np.float64):
            raise TypeError(f"gemm: {name} is {host.dtype}, not float32 or float64")
        if not (host.flags.c_contiguous or host.flags.f_contiguous):
            raise ValueError(
                f"gemm: {name} (shape {host.shape}, strides {host.strides}) is contiguous in "
                "neither order; CuPy would copy it at every call"
            )
        return host


def _matrix_contiguous(host: np.ndarray[Any, Any]) -> bool:
    """Whether cuBLAS can read the array in place, as CuPy calls it."""
    return bool(host.flags.c_contiguous or host.flags.f_contiguous)
