"""An LSTM written by hand in NumPy, as someone who knows it well would write it."""

from __future__ import annotations

import numpy as np

from .contender import Contender
from .handwritten import choose, chunks, input_parts, to_columns, transposed
from .problem import Array, Problem, Results

__all__ = ["HandwrittenLSTM"]

_GATES = ("i", "f", "o", "C")
"""The order of the rows: i and f side by side meet C~ and C_{t-1} side by side."""


class HandwrittenLSTM(Contender):
    """Keeps i, f, o, C~, C, h and tanh C: seven numbers a step, unit and batch row."""

    can_keep = False

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        B, H, dtype = problem.size.B, problem.size.H, problem.dtype
        w = np.concatenate([problem.params[f"W_{g}"] for g in _GATES])
        self.w_h, self.w_x = w[:, :H].copy(), w[:, H:].copy()
        self.b = np.concatenate([problem.params[f"b_{g}"] for g in _GATES])
        self.activate = choose(4 * H, H, B, dtype)
        factor = np.repeat([self.activate.sigma] * 3 + [self.activate.tanh], H).astype(dtype)
        self.factor = factor[:, None]
        # Rows of the gradients: o, i, f, C~.
        rows = np.arange(4 * H).reshape(4, H)[[2, 0, 1, 3]].reshape(-1)
        self.w_h_back, self.w_x_back = self.w_h[rows], self.w_x[rows]
        self.ready = False

    def _allocate(self) -> None:
        """Workspaces and views, at the first call."""
        size, dtype = self.problem.size, self.problem.dtype
        T, B, D, H = size.T, size.B, size.D, size.H
        self.ready = True
        self.scaled = [np.empty_like(a) for a in (self.w_h, self.w_x)]
        self.input_parts = input_parts(4 * H, (T, B, D), dtype)
        # A step's slots: i, f, o, C~, and C and h from before the step.
        self.record = r = np.zeros((T + 1, 6 * H, B), dtype)
        self.tanh_c = np.empty((T, H, B), dtype)
        self.y = np.empty((T, B, H), dtype)
        self.product = np.empty((4 * H, B), dtype)
        self.pair = np.empty((2 * H, B), dtype)
        self.forward_steps = list(
            zip(
                r[:-1, 5 * H :], r[:-1, : 4 * H], r[:-1, : 3 * H], r[:-1, 3 * H : 4 * H],
                r[:-1, : 2 * H], r[:-1, 3 * H : 5 * H], r[1:, 4 * H : 5 * H], self.tanh_c,
                r[:-1, 2 * H : 3 * H], r[1:, 5 * H :], strict=True,
            )
        )  # fmt: skip
        self._prepare_backward(T, B, D, H, dtype)

    def _prepare_backward(self, T: int, B: int, D: int, H: int, dtype: str) -> None:
        itemsize = np.dtype(dtype).itemsize
        self.chunks = chunks(T, 12 * H * B * itemsize)
        longest = max(hi - lo for lo, hi in self.chunks)
        # First what d_h (for o) or d_C (for i, f, C~) is multiplied by, then the product.
        self.delta = np.empty((T, 4 * H, B), dtype)  # o, i, f, C~
        self.of_c = np.empty((longest, H, B), dtype)
        self.complement = np.empty((longest, 3 * H, B), dtype)
        self.of_h = np.empty((H, B), dtype)
        self.columns = np.empty((4 * H, T * B), dtype)
        self.h_columns = np.empty((H, T * B), dtype)
        self.dy = np.empty((T, H, B), dtype)
        self.d_h, self.d_c, self.back_c, self.back_h = np.empty((4, H, B), dtype)
        self.dx = np.empty((T * B, D), dtype)
        self.d_w_h, self.d_w_x = np.empty((4 * H, H), dtype), np.empty((4 * H, D), dtype)
        self.ones = np.ones(T * B, dtype)
        d = self.delta
        self.backward_steps = list(
            zip(
                self.dy, d[:, :H], d[:, H:].reshape(T, 3, H, B), self.record[:-1, H : 2 * H], d,
                strict=True,
            )
        )  # fmt: skip

    def _forward(self) -> Array:
        if not self.ready:
            self._allocate()
        w_h, w_x = self.scaled
        factor, activate = self.factor, self.activate
        np.multiply(self.w_h, factor, out=w_h)
        np.multiply(self.w_x, factor, out=w_x)
        H = self.problem.size.H
        r = self.record
        self.input_parts(w_x, self.b * factor[:, 0], self.problem.x, r[:-1, : 4 * H])
        r[0, 4 * H :] = 0
        product, pair = self.product, self.pair
        first, second = pair[:H], pair[H:]
        dot, add, multiply, tanh = np.dot, np.add, np.multiply, np.tanh
        with np.errstate(over="ignore"):  # exp of a large number is inf, and 1 / inf is right
            for h, a, sigma, c_tilde, i_f, c_tilde_c, c, tanh_c, o, h_new in self.forward_steps:
                dot(w_h, h, product)
                add(a, product, a)
                activate(a, sigma, c_tilde)
                multiply(i_f, c_tilde_c, pair)
                add(first, second, c)
                tanh(c, tanh_c)
                multiply(o, tanh_c, h_new)
        np.copyto(self.y, r[1:, 5 * H :].transpose(0, 2, 1))
        return self.y

    def _backward(self) -> None:
        problem, r, delta = self.problem, self.record, self.delta
        T, B, D, H = problem.size.T, problem.size.B, problem.size.D, problem.size.H
        np.copyto(self.dy, problem.dy.transpose(0, 2, 1))
        d_h, d_c, back_c, back_h = self.d_h, self.d_c, self.back_c, self.back_h
        back_c[...] = 0
        back_h[...] = 0
        w_back = transposed(self.w_h_back)
        of_h = self.of_h
        dot, add, multiply = np.dot, np.add, np.multiply
        for lo, hi in reversed(self.chunks):
            n = hi - lo
            gates, tanh_c, out = r[lo:hi], self.tanh_c[lo:hi], delta[lo:hi]
            rest, of_c = self.complement[:n], self.of_c[:n]
            i_f_o = gates[:, : 3 * H]
            # sigma' of i, f, o
            np.subtract(1.0, i_f_o, out=rest)
            np.multiply(rest, i_f_o, out=rest)
            np.multiply(rest[:, : 2 * H], gates[:, 3 * H : 5 * H], out=out[:, H : 3 * H])
            np.multiply(rest[:, 2 * H :], tanh_c, out=out[:, :H])
            # tanh' of C~ and of C
            one = rest[:, :H]
            np.square(gates[:, 3 * H : 4 * H], out=one)
            np.subtract(1.0, one, out=one)
            np.multiply(one, gates[:, :H], out=out[:, 3 * H :])
            np.square(tanh_c, out=one)
            np.subtract(1.0, one, out=one)
            np.multiply(one, gates[:, 2 * H : 3 * H], out=of_c)
            for t in range(hi - 1, lo - 1, -1):
                dy, d_o, d_i_f_c, f, all_gates = self.backward_steps[t]
                add(dy, back_h, d_h)
                multiply(d_o, d_h, d_o)
                multiply(of_c[t - lo], d_h, of_h)
                add(of_h, back_c, d_c)
                multiply(d_i_f_c, d_c, d_i_f_c)
                multiply(f, d_c, back_c)
                dot(w_back, all_gates, back_h)
        columns = to_columns(delta, self.columns)
        dot(columns, to_columns(r[:-1, 5 * H :], self.h_columns).T, out=self.d_w_h)
        dot(columns, problem.x.reshape(T * B, D), out=self.d_w_x)
        self.d_b = dot(columns, self.ones)
        dot(columns.T, self.w_x_back, out=self.dx)

    def train(self) -> object:
        self._forward()
        self._backward()
        return self.y

    def infer(self) -> object:
        return self._forward()

    def results(self) -> Results:
        self.train()
        H = self.problem.size.H
        found: Results = {"y": self.y.copy(), "dx": self.dx.reshape(self.problem.x.shape).copy()}
        for k, gate in enumerate(("o", "i", "f", "C")):
            rows = slice(k * H, (k + 1) * H)
            found[f"W_{gate}"] = np.concatenate([self.d_w_h[rows], self.d_w_x[rows]], axis=1)
            found[f"b_{gate}"] = self.d_b[rows].copy()
        return found
