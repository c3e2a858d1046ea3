"""Eager PyTorch loops of the peephole LSTM with full matrices, which torch.nn does not have."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .contender import Contender
from .problem import Problem, Results
from .torch_memory import saved_bytes

__all__ = ["TorchPeepholeFusedLoop", "TorchPeepholeLoop"]

torch.set_num_threads(1)

_GATES = ("f", "i", "o", "C")


class _Loop(Contender):
    """What both loops share: leaves of the graph, of which `train` gives the gradients."""

    leaves: list[Any]

    def _forward(self) -> Any:
        raise NotImplementedError

    def train(self) -> tuple[Any, ...]:
        y = self._forward()
        return (y, *torch.autograd.grad(y, self.leaves, self.dy))

    def infer(self) -> object:
        with torch.inference_mode():
            return self._forward()

    def keep(self) -> object:
        return self._forward()

    def allocated(self) -> int:
        return saved_bytes(lambda: (self._forward(),), self.leaves)


def _leaf(a: Any) -> Any:
    return torch.from_numpy(np.array(a, order="C")).requires_grad_()


class TorchPeepholeLoop(_Loop):
    """The equations as they stand: a product for each gate, with the concatenation."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.parameters = {name: _leaf(value) for name, value in problem.params.items()}
        self.x = _leaf(problem.x)
        self.dy = torch.from_numpy(problem.dy.copy())
        self.leaves = [self.x, *self.parameters.values()]

    def _forward(self) -> Any:
        size, p, linear = self.problem.size, self.parameters, torch.nn.functional.linear
        h = c = self.x.new_zeros(size.B, size.H)
        ys = []
        for x in self.x.unbind(0):
            c_h_x = torch.cat([c, h, x], dim=1)
            f = torch.sigmoid(linear(c_h_x, p["W_f"], p["b_f"]))
            i = torch.sigmoid(linear(c_h_x, p["W_i"], p["b_i"]))
            c_tilde = torch.tanh(linear(torch.cat([h, x], dim=1), p["W_C"], p["b_C"]))
            c = f * c + i * c_tilde
            o = torch.sigmoid(linear(torch.cat([c, h, x], dim=1), p["W_o"], p["b_o"]))
            h = o * torch.tanh(c)
            ys.append(h)
        return torch.stack(ys)

    def results(self) -> Results:
        y, dx, *gradients = (a.detach().cpu().numpy() for a in self.train())
        return {"y": y, "dx": dx, **dict(zip(self.parameters, gradients, strict=True))}


class TorchPeepholeFusedLoop(_Loop):
    """Gates fused, the input's part of all steps in one product before the loop."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        H, D = problem.size.H, problem.size.D
        p = problem.params

        # Transposed, so that a step is states @ weights.
        self.w_x = _leaf(np.concatenate([p[f"W_{g}"][:, -D:] for g in _GATES]).T)
        self.w_h = _leaf(np.concatenate([p[f"W_{g}"][:, -D - H : -D] for g in _GATES]).T)
        self.w_c = _leaf(np.concatenate([p[f"W_{g}"][:, :H] for g in ("f", "i")]).T)
        self.w_o = _leaf(p["W_o"][:, :H].T)
        self.b = _leaf(np.concatenate([p[f"b_{g}"] for g in _GATES]))
        self.x = _leaf(problem.x)
        self.dy = torch.from_numpy(problem.dy.copy())
        self.leaves = [self.x, self.w_x, self.w_h, self.w_c, self.w_o, self.b]

    def _forward(self) -> Any:
        size = self.problem.size
        h = c = self.x.new_zeros(size.B, size.H)
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

    def results(self) -> Results:
        y, dx, d_w_x, d_w_h, d_w_c, d_w_o, d_b = (a.detach().cpu().numpy() for a in self.train())
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
