"""JAX: an LSTM by lax.scan, its gradients by jax.vjp, all of it under jit."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .contender import Contender, Stepper
from .problem import Problem, Results

__all__ = ["JaxLSTM"]

_GATES = ("i", "f", "o", "C")


def _gates(a: Any, c: Any) -> tuple[Any, Any]:
    i, f, o, c_tilde = jnp.split(a, 4, axis=1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(c_tilde)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def _lstm(params: tuple[Any, Any, Any], x: Any) -> Any:
    w_h, w_x, b = params
    zero = jnp.zeros((x.shape[1], w_h.shape[0]), x.dtype)

    def step(state: tuple[Any, Any], part: Any) -> tuple[tuple[Any, Any], Any]:
        h, c = state
        h, c = _gates(part + h @ w_h, c)
        return (h, c), h

    # The input's part of all steps in one product before the scan.
    return jax.lax.scan(step, (zero, zero), x @ w_x + b)[1]


@jax.jit
def _train(params: tuple[Any, Any, Any], x: Any, dy: Any) -> tuple[Any, Any]:
    y, back = jax.vjp(_lstm, params, x)
    return y, back(dy)


_infer = jax.jit(_lstm)


@jax.jit
def _step(params: tuple[Any, Any, Any], x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    w_h, w_x, b = params
    return _gates(x @ w_x + b + h @ w_h, c)


class JaxLSTM(Contender):
    """Weights fused and transposed, compiled once for the size."""

    can_keep = False

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        H, p = problem.size.H, problem.params
        w = np.concatenate([p[f"W_{g}"] for g in _GATES])
        b = np.concatenate([p[f"b_{g}"] for g in _GATES])
        with self._precision():
            self.params = tuple(jnp.asarray(a) for a in (w[:, :H].T, w[:, H:].T, b))
            self.x, self.dy = jnp.asarray(problem.x), jnp.asarray(problem.dy)

    def _precision(self) -> AbstractContextManager[Any]:
        """JAX computes in float32 unless told otherwise."""
        return jax.enable_x64(True) if self.problem.dtype == "float64" else nullcontext()

    def warm(self) -> None:
        self.train()

    def train(self) -> object:
        with self._precision():
            return jax.block_until_ready(_train(self.params, self.x, self.dy))

    def results(self) -> Results:
        y, ((d_w_h, d_w_x, d_b), dx) = jax.tree.map(np.asarray, self.train())
        H = self.problem.size.H
        found: Results = {"y": y, "dx": dx}
        for k, gate in enumerate(_GATES):
            rows = slice(k * H, (k + 1) * H)
            found[f"W_{gate}"] = np.concatenate([d_w_h[:, rows], d_w_x[:, rows]]).T
            found[f"b_{gate}"] = d_b[rows]
        return found

    def infer(self) -> object:
        with self._precision():
            return jax.block_until_ready(_infer(self.params, self.x))

    def stepper(self) -> Stepper:
        size = self.problem.size
        with self._precision():
            x = self.x[0]
            h = jnp.zeros((size.B, size.H), x.dtype)

        def step() -> object:
            with self._precision():
                return jax.block_until_ready(_step(self.params, x, h, h))

        return step
