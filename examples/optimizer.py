"""Adam with gradient clipping over dicts of NumPy arrays.

Source: D. P. Kingma, J. Ba, "Adam: A Method for Stochastic Optimization", ICLR 2015, algorithm 1;
clipping by the norm: R. Pascanu, T. Mikolov, Y. Bengio, "On the difficulty of training recurrent
neural networks", ICML 2013, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

__all__ = ["Adam"]


class Adam:
    """Moves parameters against their gradients.

    Attributes:
        parameters: dict name -> array, the same arrays all the time, changed by `update`.

    All of them lie one behind the other in one vector, so that an update is a few operations on
    that vector however many parameters there are.
    """

    def __init__(
        self,
        initial: Mapping[str, np.ndarray],
        *,
        clip: float = float("inf"),
        decay: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        """Start from copies of the arrays of `initial`, all of one dtype.

        Gradients longer than `clip` are shortened to it; `decay` is how much of the running means
        of the gradient and of its square an update keeps.
        """
        self._names = tuple(initial)
        self._values = np.concatenate([value.ravel() for value in initial.values()])
        self._mean = np.zeros_like(self._values)
        self._square = np.zeros_like(self._values)
        self._gradient = np.empty_like(self._values)
        self._move = np.empty_like(self._values)
        self._clip, self._decay, self._epsilon = clip, decay, epsilon
        self._updates = 0
        self.parameters: dict[str, np.ndarray] = {}
        start = 0
        for name, value in initial.items():
            self.parameters[name] = self._values[start : start + value.size].reshape(value.shape)
            start += value.size

    def update(self, gradients: Mapping[str, np.ndarray], rate: float) -> float:
        """One update with the learning rate `rate`; returns the gradient's norm before clipping."""
        gradient, move = self._gradient, self._move
        np.concatenate([gradients[name].ravel() for name in self._names], out=gradient)
        norm = float(np.sqrt(np.dot(gradient, gradient)))
        if norm > self._clip:
            gradient *= self._clip / norm
        self._updates += 1
        first, second = self._decay
        self._mean *= first
        self._mean += np.multiply(gradient, 1 - first, out=move)
        self._square *= second
        np.square(gradient, out=move)
        move *= 1 - second
        self._square += move
        # Both means start from zero; dividing by these makes up for it.
        np.sqrt(self._square, out=move)
        move *= (1 - second**self._updates) ** -0.5
        move += self._epsilon
        np.divide(self._mean, move, out=move)
        move *= rate / (1 - first**self._updates)
        self._values -= move
        return norm
