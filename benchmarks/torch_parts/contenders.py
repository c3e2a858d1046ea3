"""lstmgen.torch.Recurrent as a contender; a bare Function; sequences of different length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from benchmarks.cpu_parts.contender import Contender
from benchmarks.cpu_parts.problem import Problem, Results
from benchmarks.cpu_parts.torch_layers import TorchLayer
from lstmgen.torch import Recurrent

__all__ = ["Bare", "Layer", "Packed", "random_lengths"]


class Layer(Contender):
    """Our layer as a model would use it; `torch.autograd.grad` gives gradients alone."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        size = problem.size
        dtype = getattr(torch, problem.dtype)
        self.layer = Recurrent(problem.cell, size.D, size.H, dtype=dtype)
        with torch.no_grad():
            for name, value in problem.params.items():
                getattr(self.layer, f"{name}_l0").copy_(torch.from_numpy(np.asarray(value)))
        self.weights = list(self.layer.parameters())
        self.x = torch.from_numpy(problem.x.copy()).requires_grad_()
        self.dy = torch.from_numpy(problem.dy.copy())

    def train(self) -> tuple[Any, ...]:
        y, _ = self.layer(self.x)
        return (y, *torch.autograd.grad(y, [self.x, *self.weights], self.dy))

    def infer(self) -> object:
        with torch.inference_mode():
            return self.layer(self.x)[0]

    def results(self) -> Results:
        y, dx, *gradients = (a.detach().cpu().numpy() for a in self.train())
        return {"y": y, "dx": dx, **dict(zip(self.problem.params, gradients, strict=True))}


class Bare(Layer):
    """A Function around the module that the layer uses too, as torch asks for one and no more."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        (engine,) = self.layer._engines.values()
        module = engine.module

        class Function(torch.autograd.Function):
            @staticmethod
            def forward(ctx: Any, x: Any, *weights: Any) -> Any:
                ctx.set_materialize_grads(False)
                ctx.params = {
                    name: w.detach().numpy()
                    for name, w in zip(module.PARAMETERS, weights, strict=True)
                }
                y, state, ctx.tape = module.forward(ctx.params, x.detach().numpy())
                ctx.save_for_backward(x, *weights)
                return (torch.from_numpy(y), *(torch.from_numpy(s[None]) for s in state.values()))

            @staticmethod
            def backward(ctx: Any, dy: Any, *dstate: Any) -> Any:
                assert len(ctx.saved_tensors) == 1 + len(ctx.params)  # and none has changed
                ends = None
                if dstate[0] is not None:
                    ends = {s: d[0].numpy() for s, d in zip(module.STATES, dstate, strict=True)}
                dparams, dx, _ = module.backward(ctx.params, ctx.tape, dy.numpy(), ends)
                return (torch.from_numpy(dx), *(torch.from_numpy(d) for d in dparams.values()))

        self.function = Function

    def train(self) -> tuple[Any, ...]:
        y, *_ = self.function.apply(self.x, *self.weights)
        return (y, *torch.autograd.grad(y, [self.x, *self.weights], self.dy))


class Packed:
    """Training on a batch of sequences of different length, in one of three ways.

    Args:
        problem: x and the gradient of the output, padded.
        lengths: of each row.
        way: "torch packed", "packed" or "lengths"; "padded" computes every step of every row.
    """

    def __init__(self, problem: Problem, lengths: Sequence[int], way: str) -> None:
        made: Any = TorchLayer(problem) if way.startswith("torch") else Layer(problem)
        self.layer, self.way = made.layer, way
        self.lengths = torch.tensor(lengths)
        packed = pack_padded_sequence(made.x.detach(), self.lengths, enforce_sorted=False)
        self.x, self.dy = made.x, made.dy
        if "packed" in way:
            data = packed.data.requires_grad_()
            self.x = PackedSequence(data, *packed[1:])
            given = pack_padded_sequence(made.dy, self.lengths, enforce_sorted=False)
            self.dy = given.data
        self.leaves = [self.x.data if "packed" in way else self.x, *self.layer.parameters()]

    def train(self) -> tuple[Any, ...]:
        """The outputs and all gradients."""
        options = {"lengths": self.lengths} if self.way == "lengths" else {}
        output, _ = self.layer(self.x, **options)
        y = output.data if isinstance(output, PackedSequence) else output
        return (y, *torch.autograd.grad(y, self.leaves, self.dy))


def random_lengths(T: int, B: int, seed: int = 0) -> list[int]:
    """Uniform from 1 to T, the longest T."""
    random = np.random.default_rng(seed)
    return [T, *(int(n) for n in random.integers(1, T + 1, B - 1))]
