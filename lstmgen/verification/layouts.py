"""Arrays with the same numbers, in another place or order in memory, between numbers that are NaN.

A module that reads an element that is not the array's, before it, behind it or between two rows,
gets a NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lstmgen.verification.cases import Array

LAYOUTS = ("transposed", "spread", "reversed", "offset")
"""The transpose of a contiguous array; every other element of a row; all axes backwards; as it is,
but an element behind where memory begins."""


def laid_out(array: Array, layout: str, send: Callable[[Array], Any]) -> Any:
    """A new array on the device, with the values of `array`, in one of the `LAYOUTS`."""
    if layout == "transposed" and array.ndim > 1:
        return send(np.array(array.T, order="C")).T
    if layout in ("spread", "transposed") and array.ndim:
        wide = np.full((*array.shape[:-1], 2 * array.shape[-1] + 1), _guard(array), array.dtype)
        wide[..., 1::2] = array
        return send(wide)[..., 1::2]
    if layout == "reversed" and array.ndim:
        backwards = (slice(None, None, -1),) * array.ndim
        return send(np.array(array[backwards], order="C"))[backwards]
    flat = np.full(array.size + 2, _guard(array), array.dtype)
    flat[1:-1] = array.reshape(-1)
    return send(flat)[1:-1].reshape(array.shape)


def _guard(array: Array) -> Any:
    """What must not be read."""
    if array.dtype.kind == "f":
        return np.nan
    return True if array.dtype.kind == "b" else 1 << 20
