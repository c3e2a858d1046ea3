"""PyTorch's own layers: nn.LSTM, nn.GRU (reset after the product) and nn.RNN (tanh)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from .contender import Contender, Stepper
from .problem import Array, Problem, Results
from .torch_memory import saved_bytes

__all__ = ["TorchLayer"]

torch.set_num_threads(1)

_LAYERS: dict[str, Any] = {
    "lstm": torch.nn.LSTM,
    "gru_reset_after": torch.nn.GRU,
    "rnn": torch.nn.RNN,
}
_CELLS: dict[str, Any] = {
    "lstm": torch.nn.LSTMCell,
    "gru_reset_after": torch.nn.GRUCell,
    "rnn": torch.nn.RNNCell,
}


def _parts(cell: str, params: Mapping[str, Array], H: int) -> dict[str, Array]:
    """weight_ih, weight_hh, bias_ih, bias_hh from our parameters; also maps gradients back."""
    if cell == "gru_reset_after":
        zero = np.zeros(2 * H, params["b_r"].dtype)
        both = np.concatenate([params["W_r"], params["W_z"]])
        return {
            "weight_ih": np.concatenate([both[:, H:], params["W_n"]]),
            "weight_hh": np.concatenate([both[:, :H], params["U_n"]]),
            "bias_ih": np.concatenate([params["b_r"], params["b_z"], params["b_n"]]),
            "bias_hh": np.concatenate([zero, params["c_n"]]),
        }
    names = ("_i", "_f", "_C", "_o") if cell == "lstm" else ("",)
    weight = np.concatenate([params[f"W{n}"] for n in names])
    bias = np.concatenate([params[f"b{n}"] for n in names])
    return {
        "weight_ih": weight[:, H:],
        "weight_hh": weight[:, :H],
        "bias_ih": bias,
        "bias_hh": np.zeros_like(bias),
    }


def _gradients(cell: str, given: Mapping[str, Array], H: int) -> Results:
    """Gradients of our parameters from those of the layer's."""
    w_x, w_h = given["weight_ih"], given["weight_hh"]
    rows = [slice(k * H, (k + 1) * H) for k in range(len(w_x) // H)]
    if cell == "gru_reset_after":
        found: Results = {}
        for gate, r in zip(("r", "z"), rows, strict=False):
            found[f"W_{gate}"] = np.concatenate([w_h[r], w_x[r]], axis=1)
            found[f"b_{gate}"] = given["bias_ih"][r]
        n = rows[2]
        return found | {
            "W_n": w_x[n],
            "U_n": w_h[n],
            "b_n": given["bias_ih"][n],
            "c_n": given["bias_hh"][n],
        }
    names = ("_i", "_f", "_C", "_o") if cell == "lstm" else ("",)
    found = {}
    for name, r in zip(names, rows, strict=True):
        found[f"W{name}"] = np.concatenate([w_h[r], w_x[r]], axis=1)
        found[f"b{name}"] = given["bias_ih"][r]
    return found


class TorchLayer(Contender):
    """The layer as a model would use it; torch.autograd.grad gives gradients without adding up."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        size = problem.size
        self.parts = _parts(problem.cell, problem.params, size.H)
        dtype = getattr(torch, problem.dtype)
        self.layer = _LAYERS[problem.cell](size.D, size.H, dtype=dtype)
        with torch.no_grad():
            for name, value in self.parts.items():
                getattr(self.layer, f"{name}_l0").copy_(torch.from_numpy(value))
        self.weights = [getattr(self.layer, f"{name}_l0") for name in self.parts]
        self.x = torch.from_numpy(problem.x.copy()).requires_grad_()
        self.dy = torch.from_numpy(problem.dy.copy())

    def train(self) -> tuple[Any, ...]:
        y, _ = self.layer(self.x)
        return (y, *torch.autograd.grad(y, [self.x, *self.weights], self.dy))

    def results(self) -> Results:
        y, dx, *gradients = (a.detach().cpu().numpy() for a in self.train())
        named = dict(zip(self.parts, gradients, strict=True))
        return {"y": y, "dx": dx, **_gradients(self.problem.cell, named, self.problem.size.H)}

    def infer(self) -> object:
        with torch.inference_mode():
            return self.layer(self.x)[0]

    def keep(self) -> tuple[Any, ...]:
        y, state = self.layer(self.x)
        return y, state

    def allocated(self) -> int:
        return saved_bytes(self.keep, [self.x, *self.weights])

    def stepper(self) -> Stepper:
        size = self.problem.size
        cell = _CELLS[self.problem.cell](size.D, size.H, dtype=self.x.dtype)
        x = self.x[0].detach().clone()
        h = torch.zeros(size.B, size.H, dtype=self.x.dtype)
        state = (h, h.clone()) if self.problem.cell == "lstm" else h

        def step() -> object:
            with torch.inference_mode():
                return cell(x, state)

        return step
