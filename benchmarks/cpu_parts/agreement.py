"""Do all contenders compute the same numbers?  Without that, their times compare nothing."""

from __future__ import annotations

import numpy as np

from .problem import Results

__all__ = ["FLOAT32", "FLOAT64", "Disagreement", "deviation", "require_agreement"]

FLOAT64 = 1e-9
FLOAT32 = 1e-3
"""Largest deviation allowed, relative to the largest value of the array."""


class Disagreement(Exception):
    """Two contenders do not compute the same; the message names them, the array and the amount."""


def deviation(found: Results, expected: Results, *, typical: bool = False) -> tuple[float, str]:
    """The largest deviation over all arrays, relative to each one's largest value, and where.

    With `typical`, an array's deviation is the root of its mean square: among millions of numbers
    in float32, one may fall on the other side of a kink such as relu's.

    Raises:
        Disagreement: other arrays, or other shapes.
    """
    if found.keys() != expected.keys():
        raise Disagreement(
            f"expected {', '.join(sorted(expected))}, got {', '.join(sorted(found))}"
        )
    worst, where = 0.0, ""
    for name, wanted in expected.items():
        got = found[name]
        if got.shape != wanted.shape:
            raise Disagreement(f"{name}: expected shape {wanted.shape}, got {got.shape}")
        if not wanted.size:
            continue
        scale = float(np.max(np.abs(wanted))) or 1.0
        off = np.abs(got.astype(np.float64) - wanted)
        error = float(np.sqrt(np.mean(off**2)) if typical else np.max(off)) / scale
        if not error <= worst:  # also for nan
            worst, where = error, name
    return worst, where


def require_agreement(
    name: str, found: Results, expected: Results, limit: float, *, typical: bool = False
) -> float:
    """The largest relative deviation of a contender from ours; `typical` as for `deviation`.

    Raises:
        Disagreement: it is above the limit, or the arrays differ in name or shape.
    """
    try:
        worst, where = deviation(found, expected, typical=typical)
    except Disagreement as error:
        raise Disagreement(f"{name}: {error}") from None
    if not worst <= limit:
        raise Disagreement(
            f"{name}: {where} deviates from ours by {worst:.2g} of its largest value, "
            f"allowed {limit:g}"
        )
    return worst
