"""Pieces that the hand-written NumPy contenders share: activations and products over time.

These contenders stand for what someone who knows NumPy well writes by hand for one cell: states
feature-major (H, B), the gates of all units in one product, workspaces and views made once and kept
between calls, what needs no incoming gradient computed for many steps at once.  They keep their
weights fused in the order that suits them, take dy and give y, dx and gradients in arrays that the
next call overwrites: advantages that a module with a general interface does not have.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from .problem import Array

__all__ = ["CACHE", "Activation", "choose", "chunks", "input_parts", "to_columns", "transposed"]

CACHE = 1 << 18
"""Bytes of a chunk of steps that should stay in a core's second-level cache."""


class Activation:
    """sigma over all of an array and tanh over its last rows, in place.

    The pre-activations carry the factors `sigma` and `tanh`: multiply the weights by them.

    Args:
        by_exp: 1 / (1 + exp(-a)) for both, with tanh(a) = 2 sigma(2a) - 1; else by tanh, with
            sigma(a) = (1 + tanh(a / 2)) / 2.
    """

    def __init__(self, by_exp: bool) -> None:
        self.by_exp = by_exp
        self.sigma, self.tanh = (-1.0, -2.0) if by_exp else (0.5, 1.0)

    def __call__(self, everything: Array, sigma: Array, tanh: Array | None) -> None:
        """Activate `everything`, which consists of the views `sigma` and `tanh`."""
        if self.by_exp:
            np.exp(everything, everything)
            np.add(everything, 1.0, everything)
            np.reciprocal(everything, everything)
            if tanh is not None:
                np.multiply(tanh, 2.0, tanh)
                np.subtract(tanh, 1.0, tanh)
        else:
            np.tanh(everything, everything)
            np.multiply(sigma, 0.5, sigma)
            np.add(sigma, 0.5, sigma)


def choose(rows: int, tanh_rows: int, batch: int, dtype: str) -> Activation:
    """The form that is faster here for (rows, batch), of which the last `tanh_rows` want tanh."""
    a = np.linspace(-2, 2, rows * batch).reshape(rows, batch).astype(dtype)
    work = a.copy()
    sigma = work[: rows - tanh_rows]
    tanh = work[rows - tanh_rows :] if tanh_rows else None

    def seconds(form: Activation) -> float:
        best = np.inf
        for _ in range(7):
            np.copyto(work, a)
            start = time.perf_counter()
            form(work, sigma, tanh)
            best = min(best, time.perf_counter() - start)
        return best

    forms = [Activation(by_exp) for by_exp in (False, True)]
    return min(forms, key=seconds)


def chunks(steps: int, bytes_per_step: int) -> list[tuple[int, int]]:
    """The steps in pieces that fit into the cache, first to last."""
    length = max(1, min(steps, CACHE // max(1, bytes_per_step)))
    return [(lo, min(steps, lo + length)) for lo in range(0, steps, length)]


def input_parts(rows: int, problem_shape: tuple[int, int, int], dtype: str) -> Callable[..., None]:
    """A function that writes W x_t + b of all steps to (T, rows, B).

    It takes (w, b, x, out): w (rows, D), b (rows,), x (T, B, D).  One product for a chunk of steps
    packs w once; the bias is added while the result is brought into the order of the steps.
    """
    steps, batch, _ = problem_shape
    pieces = chunks(steps, 2 * rows * batch * np.dtype(dtype).itemsize)
    longest = max((hi - lo for lo, hi in pieces), default=0)
    product = np.empty(rows * longest * batch, dtype)

    def compute(w: Array, b: Array, x: Array, out: Array) -> None:
        column = b[:, None, None]
        for lo, hi in pieces:
            n = hi - lo
            flat = product[: rows * n * batch].reshape(rows, n * batch)
            np.dot(w, x[lo:hi].reshape(n * batch, -1).T, out=flat)
            np.add(flat.reshape(rows, n, batch), column, out=out[lo:hi].transpose(1, 0, 2))

    return compute


def transposed(w: Array) -> Array:
    """w^T as BLAS multiplies by it faster: a large one laid out anew, a small one as it is."""
    return w.T.copy() if w.shape[1] >= 128 else w.T


def to_columns(history: Array, out: Array) -> Array:
    """(T, rows, B) as (rows, T * B), written to `out` of that shape."""
    steps, rows, batch = history.shape
    np.copyto(out.reshape(rows, steps, batch), history.transpose(1, 0, 2))
    return out
