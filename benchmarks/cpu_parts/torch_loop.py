"""An eager PyTorch loop of the peephole LSTM with full matrices, which torch.nn does not have."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .contender import Contender
from .problem import Problem, Results
from .torch_memory import saved_bytes

__all__ = ["TorchPeepholeLoop"]

torch.set_num_threads(1)

_GATES = ("f", "i", "o", "C")


class TorchPeepholeLoop(Contender):
    """Gates fused, the input's part of all steps in one product before the loop."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        H, D = problem.size.H, problem.size.D
        p = problem.params

        def leaf(a: Any) -> Any:
            return torch.from_numpy(np.ascontiguousarray(a)).requires_grad_()

        # Transposed, so that a step is states @ weights.
        self.w_x = leaf(np.concatenate([p[f"W_{g}"][:, -D:] for g in _GATES]).T)
        self.w_h = leaf(np.concatenate([p[f"W_{g}"][:, -D - H : -D] for g in _GATES]).T)
        self.w_c = leaf(np.concatenate([p[f"W_{g}"][:, :H] for g in ("f", "i")]).T)
        self.w_o = leaf(p["W_o"][:, :H].T)
        self.b = leaf(np.concatenate([p[f"b_{g}"] for g in _GATES]))
        self.x = leaf(problem.x.copy())
        self.dy = torch.from_numpy(problem.dy.copy())

    def _forward(self) -> Any:
        size = self.problem.size
        h = c = torch.zeros(size.B, size.H, dtype=self.x.dtype)
        parts = torch.addmm(self.b, self.x.reshape(-1, size.D), self.w_x)
        ys = []
        for part in parts.reshape(size.T, size.B, 4 * size.H).unbind(0):
            a_f_i, a_o, a_c = torch.addmm(part, h, self.w_h).split(
                [2 * size.H, size.H, size.H], dim=1
            )
            f, i = torch.sigmoid(torch.addmm(a_f_i, c, self.w_c)).chunk(2, dim=1)
            c = f * c + i * torch.tanh(a_c)
            o = torch.sigmoid(torch.addmm(a_o, c, self.w_o))
            h = o * torch.tanh(c)
            ys.append(h)
        return torch.stack(ys)

    def train(self) -> tuple[Any, ...]:
        y = self._forward()
        leaves = [self.x, self.w_x, self.w_h, self.w_c, self.w_o, self.b]
        return (y, *torch.autograd.grad(y, leaves, self.dy))

    def results(self) -> Results:
        y, dx, d_w_x, d_w_h, d_w_c, d_w_o, d_b = (a.detach().numpy() for a in self.train())
        H = self.problem.size.H
        found: Results = {"y": y, "dx": dx}
        to_c = {"f": d_w_c[:, :H], "i": d_w_c[:, H:], "o": d_w_o}
        for k, gate in enumerate(_GATES):
            rows = slice(k * H, (k + 1) * H)
            parts = [d_w_h[:, rows], d_w_x[:, rows]]
            parts = [to_c[gate], *parts] if gate in to_c else parts
            found[f"W_{gate}"] = np.concatenate(parts).T
            found[f"b_{gate}"] = d_b[rows]
        return found

    def infer(self) -> object:
        with torch.inference_mode():
            return self._forward()

    def keep(self) -> object:
        return self._forward()

    def allocated(self) -> int:
        leaves = [self.x, self.w_x, self.w_h, self.w_c, self.w_o, self.b]
        return saved_bytes(lambda: (self._forward(),), leaves)
