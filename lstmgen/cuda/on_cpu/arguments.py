"""Check a launch as CUDA would, and as nobody does: what is passed against what is declared.

CuPy passes a Python int as eight bytes, a Python float as a double, and any array's address,
whatever the kernel declares.  Here a mismatch is an error that names the argument.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .array import ndarray
from .emulator import Limits
from .native import Parameter

__all__ = ["argument_bits", "check_threads", "dimensions"]

_WHY = {
    int: "CuPy passes a Python int as 8 bytes; pass numpy.int32(...) or the like",
    float: "CuPy passes a Python float as a double; pass numpy.float32(...) or the like",
    bool: "CuPy passes a Python bool as 1 byte; pass numpy.int32(...) or the like",
}


def argument_bits(kernel: str, position: int, value: Any, parameter: Parameter) -> int:
    """The eight bytes that reach the kernel for one argument.

    Raises TypeError where the kind or the size is not the parameter's, ValueError for an array
    that is not C-contiguous or not aligned for the parameter's vector type.
    """
    if isinstance(value, ndarray):
        wrong = _wrong_array(value, parameter)
        if wrong is None:
            return value._address
    elif isinstance(value, np.ndarray):
        wrong = TypeError(f"Unsupported type {type(value)}, an array that is not CuPy's")
    elif value is None:
        if parameter.pointer:
            return 0
        wrong = TypeError("None is a null pointer, the parameter is not a pointer")
    else:
        scalar = _as_cupy_passes(value)
        if isinstance(scalar, Exception):
            wrong = scalar
        elif parameter.pointer:
            wrong = TypeError(
                f"the parameter is a pointer, given a number ({type(value).__name__}); "
                "pass the array itself"
            )
        elif _fits(scalar.dtype, parameter):
            return int.from_bytes(scalar.tobytes(), "little")
        else:
            hint = f" ({_WHY[type(value)]})" if type(value) in _WHY else ""
            wrong = TypeError(f"given {scalar.dtype} of {scalar.nbytes} bytes{hint}")
    raise type(wrong)(f"{kernel}: argument {position} ({parameter}): {wrong}")


def _fits(dtype: np.dtype[Any], parameter: Parameter) -> bool:
    return (
        dtype.kind == parameter.kind
        and dtype.itemsize == parameter.size
        and parameter.elements == 1
    )


def _as_cupy_passes(value: Any) -> np.generic | Exception:
    """The scalar of NumPy that CuPy makes of a number, or what is wrong with it."""
    if isinstance(value, np.generic):
        return value
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int):
        try:
            return np.int64(value)
        except OverflowError:
            return TypeError(f"{value} does not fit 8 bytes")
    if isinstance(value, float):
        return np.float64(value)
    return TypeError(f"Unsupported type {type(value)}")


def _wrong_array(value: ndarray, parameter: Parameter) -> Exception | None:
    if not parameter.pointer:
        return TypeError("the parameter is a value, given an array")
    dtype = value._host.dtype
    if parameter.kind == "h":  # NumPy has no bfloat16: its bits travel in 16-bit integers
        fits = dtype.itemsize == 2 and dtype.kind in "iuV"
    elif parameter.kind in "vx":
        fits = True
    else:
        fits = dtype.kind == parameter.kind and dtype.itemsize == parameter.size
    if not fits:
        return TypeError(f"given an array of {dtype}")
    if not value._host.flags.c_contiguous:
        return ValueError(
            f"the array (shape {value.shape}, strides {value.strides}) is not C-contiguous; a "
            "kernel sees its address only"
        )
    unit = parameter.size * parameter.elements
    if parameter.elements > 1 and value._address % unit:
        return ValueError(
            f"the array's address is not a multiple of {unit} bytes, as loads of the vector type "
            "need"
        )
    return None


def dimensions(
    kernel: str, what: str, value: Any, limits: tuple[int, int, int]
) -> tuple[int, int, int]:
    """A grid or a block as three numbers within the limits."""
    if not isinstance(value, tuple):
        raise TypeError(f"{kernel}: the {what} must be a tuple, not {type(value).__name__}")
    if not 1 <= len(value) <= 3:
        raise ValueError(f"{kernel}: the {what} {value} must have one to three numbers")
    for axis, number in enumerate(value):
        if isinstance(number, (bool, np.bool_)) or not isinstance(number, (int, np.integer)):
            raise TypeError(f"{kernel}: the {what} {value} must consist of integers")
        if not 1 <= number <= limits[axis]:
            raise ValueError(
                f"{kernel}: the {what} {value} is out of bounds: {'xyz'[axis]} must be 1 to "
                f"{limits[axis]}"
            )
    x, y, z = (*value, 1, 1)[:3]
    return int(x), int(y), int(z)


def check_threads(
    kernel: str, block: tuple[int, int, int], limits: Limits, launch_bounds: int
) -> int:
    """The number of threads of a block, within the device's and the kernel's bounds."""
    threads = block[0] * block[1] * block[2]
    if threads > limits.threads_per_block:
        raise ValueError(
            f"{kernel}: {threads} threads in a block, at most {limits.threads_per_block} are "
            "possible"
        )
    if threads > launch_bounds:
        raise ValueError(
            f"{kernel}: {threads} threads in a block, but __launch_bounds__ promises at most "
            f"{launch_bounds}"
        )
    return threads
