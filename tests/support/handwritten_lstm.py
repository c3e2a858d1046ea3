"""The lstm cell written by hand, one line per formula: an independent module for the tests.

It follows the interface of a generated module and shares nothing with lstmgen.  It is meant to be
read, not to be fast.  Equations: C. Olah, "Understanding LSTM Networks" (2015); the gradients are
written out by hand from them.
"""

from __future__ import annotations

import numpy as np

CELL = "lstm"
STATES = ("h", "C")
OUTPUT = "h"
PARAMETERS = {
    "W_f": ("H", "H+D"),
    "b_f": ("H",),
    "W_i": ("H", "H+D"),
    "b_i": ("H",),
    "W_C": ("H", "H+D"),
    "b_C": ("H",),
    "W_o": ("H", "H+D"),
    "b_o": ("H",),
}


class Tape:
    """What backward needs, until its memory is given away."""

    def __init__(self, steps, last):
        self.steps = steps
        self.last = last
        self.spent = False

    def check(self):
        if self.spent:
            raise ValueError("tape: this tape was given to reuse; use the newer one")


def init_params(input_size, hidden_size, *, seed=None, dtype="float32"):
    generator = np.random.default_rng(seed)
    sizes = {"H": hidden_size, "H+D": hidden_size + input_size}
    return {
        name: generator.uniform(-0.5, 0.5, [sizes[s] for s in shape]).astype(dtype)
        for name, shape in PARAMETERS.items()
    }


def init_state(batch_size, hidden_size, *, dtype="float32"):
    return {name: np.zeros((batch_size, hidden_size), dtype) for name in STATES}


def sigma(a):
    return 1 / (1 + np.exp(-a))


def _step(p, x, h, C):
    hx = np.concatenate([h, x], axis=1)
    f = sigma(hx @ p["W_f"].T + p["b_f"])
    i = sigma(hx @ p["W_i"].T + p["b_i"])
    g = np.tanh(hx @ p["W_C"].T + p["b_C"])
    C_new = f * C + i * g
    o = sigma(hx @ p["W_o"].T + p["b_o"])
    return hx, f, i, g, C, C_new, o, o * np.tanh(C_new)


def forward(params, x, state=None, *, reuse=None, tape=True):
    if reuse is not None:
        reuse.check()
        reuse.spent = True
    T, B, _ = x.shape
    H = params["b_f"].shape[0]
    state = init_state(B, H, dtype=x.dtype) if state is None else state
    h, C = state["h"].copy(), state["C"].copy()
    steps = []
    for t in range(T):
        steps.append(_step(params, x[t], h, C))
        h, C = steps[-1][-1], steps[-1][5]
    y = np.stack([s[-1] for s in steps]) if T else np.zeros((0, B, H), x.dtype)
    last = {"h": h.copy(), "C": C.copy()}
    return y, last, Tape(steps, (x.shape, h, C)) if tape else None


def step(params, x, state):
    result = _step(params, x, state["h"], state["C"])
    return {"h": result[-1], "C": result[5]}


def backward(params, tape, dy=None, dstate=None):
    tape.check()
    shape, h, C = tape.last
    H = h.shape[1]
    dh = np.zeros_like(h) if dstate is None else dstate["h"].copy()
    dC = np.zeros_like(C) if dstate is None else dstate["C"].copy()
    dx = np.zeros(shape, h.dtype)
    grad = {name: np.zeros_like(value) for name, value in params.items()}
    for t in reversed(range(shape[0])):
        hx, f, i, g, C_old, C_new, o, _ = tape.steps[t]
        if dy is not None:
            dh = dh + dy[t]
        tanh_C = np.tanh(C_new)
        da_o = dh * tanh_C * o * (1 - o)
        dC = dC + dh * o * (1 - tanh_C**2)
        da_f = dC * C_old * f * (1 - f)
        da_i = dC * g * i * (1 - i)
        da_g = dC * i * (1 - g**2)
        dhx = np.zeros_like(hx)
        for gate, da in (("f", da_f), ("i", da_i), ("C", da_g), ("o", da_o)):
            grad[f"W_{gate}"] += da.T @ hx
            grad[f"b_{gate}"] += da.sum(axis=0)
            dhx += da @ params[f"W_{gate}"]
        dh, dx[t] = dhx[:, :H], dhx[:, H:]
        dC = dC * f
    return grad, dx, {"h": dh.copy(), "C": dC}
