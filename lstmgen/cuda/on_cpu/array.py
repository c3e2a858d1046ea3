"""A strict stand-in for cupy.ndarray: the arrays that kernels work on.

It has what generated modules use and nothing else, and it refuses what CuPy would refuse: a NumPy
array in an operation, an implicit conversion to one.  What CuPy does in silence but costs time on
a device (allocating, copying, waiting) is counted in `Emulator.counters`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from .emulator import Emulator
from .storage import Allocation

__all__ = ["MemoryPointer", "allocate", "host_operand", "memory", "ndarray", "upload"]

_SCALARS = (bool, int, float, complex, np.generic)


class MemoryPointer:
    """Where an array lies: `ptr` is its address.  Not an argument for a kernel: pass the array."""

    def __init__(self, ptr: int) -> None:
        """At this address."""
        self.ptr = ptr


class Flags:
    """An array's layout."""

    def __init__(self, host: np.ndarray[Any, Any]) -> None:
        """Of this array."""
        self.c_contiguous = bool(host.flags.c_contiguous)
        self.f_contiguous = bool(host.flags.f_contiguous)
        self.forc = self.c_contiguous or self.f_contiguous
        self.owndata = host.base is None


_Operator = Callable[["ndarray", Any], "ndarray"]


def _operators(function: Callable[..., Any]) -> tuple[_Operator, _Operator, _Operator]:
    """The operator of a ufunc: with the array on the left, on the right, and in place."""

    def left(self: ndarray, other: Any) -> ndarray:
        return operate(self._emulator, function, (self, other))

    def right(self: ndarray, other: Any) -> ndarray:
        return operate(self._emulator, function, (other, self))

    def in_place(self: ndarray, other: Any) -> ndarray:
        return operate(self._emulator, function, (self, other), self)

    return left, right, in_place


class ndarray:
    """An array on the emulated device.  Made by empty, zeros, asarray, ... and by operations."""

    __array_ufunc__ = None  # a NumPy array on the left: Python asks the operand on the right
    __hash__ = None  # type: ignore[assignment]
    _host: np.ndarray[Any, Any]
    _address: int
    _allocation: Allocation
    _emulator: Emulator

    def __init__(self, *_arguments: object, **_keywords: object) -> None:
        """Raises TypeError: the stand-in has no constructor."""
        raise TypeError("the stand-in for cupy makes arrays by empty, zeros, asarray, ... only")

    @classmethod
    def _make(
        cls, emulator: Emulator, host: np.ndarray[Any, Any], allocation: Allocation
    ) -> ndarray:
        made = object.__new__(cls)
        made._emulator, made._host, made._allocation = emulator, host, allocation
        made._address = host.__array_interface__["data"][0]
        return made

    def _view(self, host: np.ndarray[Any, Any]) -> ndarray:
        return ndarray._make(self._emulator, host, self._allocation)

    # ---- what it is

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return tuple(self._host.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the elements."""
        found: np.dtype[Any] = self._host.dtype
        return found

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._host.ndim

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._host.size

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._host.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._host.nbytes

    @property
    def strides(self) -> tuple[int, ...]:
        """Bytes from one element to the next, by axis."""
        return self._host.strides

    @property
    def flags(self) -> Flags:
        """The layout: c_contiguous, f_contiguous, forc, owndata."""
        return Flags(self._host)

    @property
    def data(self) -> MemoryPointer:
        """Where the first element lies."""
        return MemoryPointer(self._address)

    def __len__(self) -> int:
        """Length of the first axis."""
        return len(self._host)

    def __repr__(self) -> str:
        """The values, which have to be fetched for it."""
        self._emulator.counters.add("synchronisations")
        return repr(self._host)

    # ---- shape

    def reshape(self, *shape: Any) -> ndarray:
        """A view where the layout allows it, otherwise a copy (which is counted)."""
        sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape
        view = self._host.reshape(sizes)
        if np.shares_memory(view, self._host) or view.size == 0:
            return self._view(view)
        self._emulator.counters.add("operations")
        return _adopt(self._emulator, view)

    @property
    def T(self) -> ndarray:
        """The view with its axes in reverse order."""
        return self._view(self._host.T)

    def transpose(self, *axes: Any) -> ndarray:
        """The view with its axes in the given order."""
        return self._view(self._host.transpose(*axes))

    def __getitem__(self, key: Any) -> ndarray:
        """A view, by integers, slices, `...` and None."""
        return self._view(self._indexed(key))

    def _indexed(self, key: Any) -> np.ndarray[Any, Any]:
        parts = key if isinstance(key, tuple) else (key,)
        for part in parts:
            if isinstance(part, (bool, np.bool_)) or not isinstance(
                part, (int, np.integer, slice, type(None), type(Ellipsis))
            ):
                raise TypeError(
                    f"index of type {type(part).__name__}: the stand-in for cupy has integers, "
                    "slices, None and ... as indices"
                )
        # With `...` NumPy gives a view even where every axis has an integer.
        found: np.ndarray[Any, Any] = self._host[parts if Ellipsis in parts else (*parts, ...)]
        return found

    def __iter__(self) -> Iterator[ndarray]:
        """Views along the first axis."""
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    # ---- contents

    def __setitem__(self, key: Any, value: Any) -> None:
        """Write an array of the target, or a scalar, into the selected elements."""
        with np.errstate(all="ignore"):
            self._indexed(key)[...] = host_operand(value)
        self._emulator.counters.add("operations")

    def get(self, stream: Any = None, order: str = "C", out: Any = None) -> np.ndarray[Any, Any]:
        """The values as a NumPy array; the host waits for the device."""
        self._emulator.counters.add("synchronisations")
        if out is None:
            return np.array(self._host, order=order)  # type: ignore[call-overload,no-any-return]
        if not isinstance(out, np.ndarray):
            raise TypeError("Only numpy.ndarray can be obtained from cupy.ndarray")
        if out.dtype != self.dtype or out.shape != self.shape:
            raise ValueError(
                f"out has shape {out.shape} and dtype {out.dtype}, "
                f"the array {self.shape} and {self.dtype}"
            )
        out[...] = self._host
        return out

    def set(self, arr: np.ndarray[Any, Any], stream: Any = None) -> None:
        """Copy a NumPy array of the same shape and dtype into this one."""
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if arr.shape != self.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not self.flags.forc:
            raise RuntimeError("Cannot set to non-contiguous array")
        self._host[...] = arr
        self._emulator.counters.add("uploads")

    def fill(self, value: Any) -> None:
        """Write one value everywhere."""
        if not isinstance(value, _SCALARS):
            raise TypeError(f"cannot fill an array with a {type(value).__name__}")
        self._host.fill(value)
        self._emulator.counters.add("operations")

    def copy(self, order: str = "C") -> ndarray:
        """A new array of the same values."""
        made = allocate(self._emulator, self.shape, self.dtype, order, like=self._host)
        made._host[...] = self._host
        self._emulator.counters.add("operations")
        return made

    def astype(self, dtype: Any, copy: bool = True) -> ndarray:
        """A new array of another dtype; itself if it has that and `copy` is False."""
        if not copy and self.dtype == np.dtype(dtype):
            return self
        made = allocate(self._emulator, self.shape, np.dtype(dtype), "C")
        with np.errstate(all="ignore"):
            made._host[...] = self._host.astype(dtype)
        self._emulator.counters.add("operations")
        return made

    def sum(
        self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> ndarray:
        """Sum over the axes, on the device; `out` takes the result."""
        counters = self._emulator.counters
        counters.add("operations")
        with np.errstate(all="ignore"):
            if out is not None:
                np.sum(self._host, axis, dtype, host_array(out, "out"), keepdims)
                assert isinstance(out, ndarray)
                return out
            return _adopt(self._emulator, np.sum(self._host, axis, dtype, keepdims=keepdims))

    # ---- operators: a NumPy array as the other operand is a TypeError, as in CuPy

    __add__, __radd__, __iadd__ = _operators(np.add)
    __sub__, __rsub__, __isub__ = _operators(np.subtract)
    __mul__, __rmul__, __imul__ = _operators(np.multiply)
    __truediv__, __rtruediv__, __itruediv__ = _operators(np.true_divide)
    __floordiv__, __rfloordiv__, __ifloordiv__ = _operators(np.floor_divide)
    __mod__, __rmod__, __imod__ = _operators(np.remainder)
    __pow__, __rpow__, __ipow__ = _operators(np.power)
    __lt__ = _operators(np.less)[0]
    __le__ = _operators(np.less_equal)[0]
    __gt__ = _operators(np.greater)[0]
    __ge__ = _operators(np.greater_equal)[0]
    __eq__ = _operators(np.equal)[0]  # type: ignore[assignment]
    __ne__ = _operators(np.not_equal)[0]  # type: ignore[assignment]

    def __neg__(self) -> ndarray:
        """The negative."""
        return operate(self._emulator, np.negative, (self,))

    def __pos__(self) -> ndarray:
        """A copy."""
        return operate(self._emulator, np.positive, (self,))

    def __abs__(self) -> ndarray:
        """The absolute value."""
        return operate(self._emulator, np.absolute, (self,))

    # ---- what makes the host wait

    def item(self) -> Any:
        """The value of an array of one element, as a Python number."""
        self._emulator.counters.add("synchronisations")
        return self._host.item()

    def tolist(self) -> Any:
        """The values as nested lists."""
        self._emulator.counters.add("synchronisations")
        return self._host.tolist()

    def __bool__(self) -> bool:
        """The truth of one element."""
        self._emulator.counters.add("synchronisations")
        return bool(self._host)

    def __float__(self) -> float:
        """The value of one element."""
        return float(self.item())

    def __int__(self) -> int:
        """The value of one element."""
        return int(self.item())

    def __index__(self) -> int:
        """The value of an array of one integer and no axes."""
        self._emulator.counters.add("synchronisations")
        return self._host.__index__()

    def __array__(self, *_arguments: Any, **_keywords: Any) -> NoReturn:
        """Raises TypeError, as CuPy does."""
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __getattr__(self, name: str) -> NoReturn:
        """Whatever else cupy.ndarray has is missing here."""
        raise AttributeError(f"the stand-in for cupy has no ndarray.{name}")


def memory(array: ndarray) -> tuple[np.ndarray[Any, Any], int]:
    """The whole allocation that an array lies in, as its elements, and where the array begins."""
    allocation = array._allocation
    start, rest = divmod(array._address - allocation.address, array.itemsize)
    if rest:
        raise ValueError("the array does not lie on a multiple of its elements' size")
    count = allocation.size // array.itemsize
    return allocation.bytes[: count * array.itemsize].view(array.dtype), start


def host_array(value: Any, what: str) -> np.ndarray[Any, Any]:
    """The host's view of an array of the target; TypeError for anything else."""
    if not isinstance(value, ndarray):
        kind = f"{type(value).__module__}.{type(value).__name__}"
        raise TypeError(f"{what} must be a cupy.ndarray, not {kind}")
    return value._host


def host_operand(value: Any) -> Any:
    """An operand of an operation: an array of the target, or a scalar; otherwise TypeError."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, _SCALARS):
        return value
    raise TypeError(f"Unsupported type {type(value)}")


def allocate(
    emulator: Emulator,
    shape: Any,
    dtype: Any,
    order: str = "C",
    *,
    like: np.ndarray[Any, Any] | None = None,
) -> ndarray:
    """New memory, filled with NaN.  Order K or A follows the layout of `like`."""
    sizes = tuple(int(n) for n in shape) if isinstance(shape, (tuple, list)) else (int(shape),)
    if any(n < 0 for n in sizes):
        raise ValueError(f"negative length in the shape {sizes}")
    kind = np.dtype(dtype)
    if kind.hasobject or kind.kind in "USV":
        raise ValueError(f"Unsupported dtype {kind}")
    if order in "KA" and like is not None:
        order = "F" if like.flags.f_contiguous and not like.flags.c_contiguous else "C"
    count = 1
    for n in sizes:
        count *= n
    allocation = Allocation(count * kind.itemsize, sanitize=emulator.sanitize, edge=emulator.edge)
    emulator.counters.add("allocations")
    return ndarray._make(emulator, allocation.array(sizes, kind, order), allocation)


def upload(emulator: Emulator, host: np.ndarray[Any, Any], order: str = "K") -> ndarray:
    """A new array with the values of a NumPy array."""
    made = allocate(emulator, host.shape, host.dtype, order, like=host)
    made._host[...] = host
    emulator.counters.add("uploads")
    return made


def _adopt(emulator: Emulator, host: Any) -> ndarray:
    """A result that NumPy computed, in memory of the device."""
    values = np.asarray(host)
    made = allocate(emulator, values.shape, values.dtype, "K", like=values)
    made._host[...] = values
    return made


def operate(
    emulator: Emulator, function: Callable[..., Any], operands: tuple[Any, ...], out: Any = None
) -> ndarray:
    """Apply a NumPy ufunc on the device's arrays and scalars; `out` takes the result."""
    hosts = [host_operand(operand) for operand in operands]
    emulator.counters.add("operations")
    with np.errstate(all="ignore"):
        if out is not None:
            function(*hosts, out=host_array(out, "out"))
            assert isinstance(out, ndarray)
            return out
        return _adopt(emulator, function(*hosts))
