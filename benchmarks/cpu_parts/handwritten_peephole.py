"""A peephole LSTM with full matrices, written by hand in NumPy."""

from __future__ import annotations

import numpy as np

from .contender import Contender
from .handwritten import choose, chunks, input_parts, to_columns, transposed
from .problem import Array, Problem, Results

__all__ = ["HandwrittenPeephole"]

_GATES = ("f", "i", "C", "o")


class HandwrittenPeephole(Contender):
    """Two products a step in each direction.

    o of step t and f, i of step t+1 all see C_t.  With a step's rows in the order f, i, C~, o,
    these three are neighbours in memory, so that one product of (3H, H) with C_t serves them all,
    and one product takes their gradients back to C_t.
    """

    can_keep = False

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        B, H, dtype = problem.size.B, problem.size.H, problem.dtype
        p = problem.params
        # Columns: f, i, o have (C, h, x), C~ has (h, x).
        self.w_c = np.concatenate([p[f"W_{g}"][:, :H] for g in ("o", "f", "i")])
        self.w_h = np.concatenate([p[f"W_{g}"][:, -self._rest :][:, :H] for g in _GATES])
        self.w_x = np.concatenate([p[f"W_{g}"][:, -problem.size.D :] for g in _GATES])
        self.b = np.concatenate([p[f"b_{g}"] for g in _GATES])
        self.activate = choose(3 * H, H, B, dtype)
        self.activate_o = choose(H, 0, B, dtype)
        by = self.activate
        factors = [by.sigma, by.sigma, by.tanh, self.activate_o.sigma]
        self.factor = np.repeat(factors, H).astype(dtype)[:, None]
        self.factor_c = np.repeat([factors[3], *factors[:2]], H).astype(dtype)[:, None]
        self.ready = False

    @property
    def _rest(self) -> int:
        return self.problem.size.H + self.problem.size.D

    def _allocate(self) -> None:
        """Workspaces and views, at the first call."""
        size, dtype = self.problem.size, self.problem.dtype
        T, B, D, H = size.T, size.B, size.D, size.H
        self.ready = True
        self.scaled = [np.empty_like(a) for a in (self.w_h, self.w_x, self.w_c)]
        self.input_parts = input_parts(4 * H, (T, B, D), dtype)
        # Rows f, i, C~, o of each step; one step more, since C of the last one has its f, i, too.
        self.gates = np.zeros((T + 1, 4 * H, B), dtype)
        flat = self.gates.reshape((T + 1) * 4 * H, B)
        self.c, self.h = np.zeros((2, T + 1, H, B), dtype)
        self.tanh_c = np.empty((T, H, B), dtype)
        self.y = np.empty((T, B, H), dtype)
        self.from_h, self.from_c = np.empty((4 * H, B), dtype), np.empty((3 * H, B), dtype)
        self.scratch = np.empty((H, B), dtype)
        g = self.gates
        seen = [flat[(4 * t + 3) * H : (4 * t + 6) * H] for t in range(T)]
        self.forward_steps = list(
            zip(
                self.h[:-1], self.c[:-1], g[:-1], g[:-1, : 3 * H], g[:-1, : 2 * H],
                g[:-1, 2 * H : 3 * H], g[:-1, :H], g[:-1, H : 2 * H], self.c[1:], seen,
                g[:-1, 3 * H :], self.tanh_c, self.h[1:], strict=True,
            )
        )  # fmt: skip
        self._prepare_backward(T, B, D, H, dtype)

    def _prepare_backward(self, T: int, B: int, D: int, H: int, dtype: str) -> None:
        self.chunks = chunks(T, 13 * H * B * np.dtype(dtype).itemsize)
        longest = max(hi - lo for lo, hi in self.chunks)
        # First what d_h (for o) or d_C (for the others) is multiplied by, then the product.
        self.delta = np.zeros((T + 1, 4 * H, B), dtype)
        flat = self.delta.reshape((T + 1) * 4 * H, B)
        self.of_c = np.empty((longest, H, B), dtype)
        self.complement = np.empty((longest, 2 * H, B), dtype)
        self.of_h = np.empty((H, B), dtype)
        self.columns = np.empty((4 * H, T * B), dtype)
        self.state_columns = np.empty((H, T * B), dtype)
        self.dy = np.empty((T, H, B), dtype)
        self.d_h, self.d_c, self.back_c, self.back_h = np.empty((4, H, B), dtype)
        self.dx = np.empty((T * B, D), dtype)
        self.d_w_h, self.d_w_x = np.empty((4 * H, H), dtype), np.empty((4 * H, D), dtype)
        self.d_w_fi, self.d_w_o = np.empty((2 * H, H), dtype), np.empty((H, H), dtype)
        self.ones = np.ones(T * B, dtype)
        d = self.delta[:-1]
        sees = [flat[(4 * t + 3) * H : (4 * t + 6) * H] for t in range(T)]
        self.backward_steps = list(
            zip(
                self.dy, d[:, 3 * H :], d[:, : 3 * H].reshape(T, 3, H, B), sees,
                self.gates[:-1, :H], d, strict=True,
            )
        )  # fmt: skip

    def _forward(self) -> Array:
        if not self.ready:
            self._allocate()
        w_h, w_x, w_c = self.scaled
        np.multiply(self.w_h, self.factor, out=w_h)
        np.multiply(self.w_x, self.factor, out=w_x)
        np.multiply(self.w_c, self.factor_c, out=w_c)
        x, g = self.problem.x, self.gates
        self.input_parts(w_x, self.b * self.factor[:, 0], x, g[:-1])
        self.c[0] = 0  # so that f and i of the first step see nothing more
        self.h[0] = 0
        from_h, from_c, scratch = self.from_h, self.from_c, self.scratch
        activate, activate_o = self.activate, self.activate_o
        dot, add, multiply, tanh = np.dot, np.add, np.multiply, np.tanh
        with np.errstate(over="ignore"):  # exp of a large number is inf, and 1 / inf is right
            for (
                h, c_old, a, f_i_c, f_i, c_tilde, f, i, c, sees_c, o, tanh_c, h_new
            ) in self.forward_steps:  # fmt: skip
                dot(w_h, h, from_h)
                add(a, from_h, a)
                activate(f_i_c, f_i, c_tilde)
                multiply(f, c_old, c)
                multiply(i, c_tilde, scratch)
                add(c, scratch, c)
                dot(w_c, c, from_c)
                add(sees_c, from_c, sees_c)
                activate_o(o, o, None)
                tanh(c, tanh_c)
                multiply(o, tanh_c, h_new)
        np.copyto(self.y, self.h[1:].transpose(0, 2, 1))
        return self.y

    def _backward(self) -> None:
        problem, delta = self.problem, self.delta
        T, B, D, H = problem.size.T, problem.size.B, problem.size.D, problem.size.H
        np.copyto(self.dy, problem.dy.transpose(0, 2, 1))
        d_h, d_c, back_c, back_h = self.d_h, self.d_c, self.back_c, self.back_h
        back_c[...] = 0
        back_h[...] = 0
        delta[T, : 2 * H] = 0  # there is no step after the last
        to_h, to_c = transposed(self.w_h), transposed(self.w_c)
        of_h = self.of_h
        dot, add, multiply = np.dot, np.add, np.multiply
        for lo, hi in reversed(self.chunks):
            self._factors(lo, hi)
            of_c = self.of_c
            for t in range(hi - 1, lo - 1, -1):
                dy, d_o, d_f_i_c, o_f_i, f, all_gates = self.backward_steps[t]
                add(dy, back_h, d_h)
                multiply(d_o, d_h, d_o)
                multiply(of_c[t - lo], d_h, of_h)
                dot(to_c, o_f_i, d_c)
                add(d_c, of_h, d_c)
                add(d_c, back_c, d_c)
                multiply(d_f_i_c, d_c, d_f_i_c)
                multiply(f, d_c, back_c)
                dot(to_h, all_gates, back_h)
        columns = to_columns(delta[:-1], self.columns)
        dot(columns, to_columns(self.h[:-1], self.state_columns).T, out=self.d_w_h)
        dot(columns[: 2 * H], to_columns(self.c[:-1], self.state_columns).T, out=self.d_w_fi)
        dot(columns[3 * H :], to_columns(self.c[1:], self.state_columns).T, out=self.d_w_o)
        dot(columns, problem.x.reshape(T * B, D), out=self.d_w_x)
        self.d_b = dot(columns, self.ones)
        dot(columns.T, self.w_x, out=self.dx)

    def _factors(self, lo: int, hi: int) -> None:
        """All that holds no gradient, for the steps from lo to hi."""
        H, n = self.problem.size.H, hi - lo
        g, tanh_c, out = self.gates[lo:hi], self.tanh_c[lo:hi], self.delta[lo:hi]
        rest, of_c = self.complement[:n], self.of_c[:n]
        one = rest[:, :H]
        f_i, i, c_tilde = g[:, : 2 * H], g[:, H : 2 * H], g[:, 2 * H : 3 * H]
        np.subtract(1.0, f_i, out=rest)
        np.multiply(rest, f_i, out=rest)
        np.multiply(rest[:, :H], self.c[lo:hi], out=out[:, :H])
        np.multiply(rest[:, H:], c_tilde, out=out[:, H : 2 * H])
        np.square(c_tilde, out=one)
        np.subtract(1.0, one, out=one)
        np.multiply(one, i, out=out[:, 2 * H : 3 * H])
        o = g[:, 3 * H :]
        np.subtract(1.0, o, out=one)
        np.multiply(one, o, out=one)
        np.multiply(one, tanh_c, out=out[:, 3 * H :])
        np.square(tanh_c, out=one)
        np.subtract(1.0, one, out=one)
        np.multiply(one, o, out=of_c)

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
        to_c = {"f": self.d_w_fi[:H], "i": self.d_w_fi[H:], "o": self.d_w_o}
        for k, gate in enumerate(_GATES):
            rows = slice(k * H, (k + 1) * H)
            parts = [self.d_w_h[rows], self.d_w_x[rows]]
            parts = [to_c[gate], *parts] if gate in to_c else parts
            found[f"W_{gate}"] = np.concatenate(parts, axis=1)
            found[f"b_{gate}"] = self.d_b[rows].copy()
        return found
