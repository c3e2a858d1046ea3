"""Numbers of a point, in lists and dicts, and the arrays that modules have of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["as_array", "by_name", "times", "vector_of", "zeros_like"]

Array = npt.NDArray[Any]


def zeros_like(tree: Any, zero: Any) -> Any:
    """The same lists and dicts of zeros."""
    if isinstance(tree, dict):
        return {name: zeros_like(part, zero) for name, part in tree.items()}
    return [zeros_like(part, zero) for part in tree] if isinstance(tree, list) else zero


def as_array(tree: Any, dtype: str = "float64") -> Array:
    """Lists of numbers as an array."""

    def floats(part: Any) -> Any:
        return [floats(p) for p in part] if isinstance(part, list) else float(part)

    return np.array(floats(tree), dtype=dtype)


def times(factor: Any, value: Any) -> Any:
    """A number, or each of a vector, times the factor."""
    return [factor * unit for unit in value] if isinstance(value, list) else factor * value


def vector_of(value: Any) -> Any:
    """A vector as it is, and a number as a vector of one unit."""
    return value if isinstance(value, list) else [value]


def by_name(tree: Any, names: tuple[str, ...], dtype: str = "float64") -> dict[str, Array]:
    """[t][row][name] or [row][name] as an array for each name."""

    def pick(part: Any, name: str) -> Any:
        if isinstance(part, list):
            return [pick(p, name) for p in part]
        return vector_of(part[name])

    return {name: as_array(pick(tree, name), dtype) for name in names}
