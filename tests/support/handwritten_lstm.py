"""The lstm cell written by hand, one line per formula: an independent module for the tests.

It follows the interface of a generated module and shares nothing with lstmgen.  It is meant to be
read, not to be fast.  Equations: C. Olah, "Understanding LSTM Networks" (2015); the gradients are
written out by hand from them.
"""

from __future__ import annotations

import functools

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


DTYPES = (np.dtype("float32"), np.dtype("float64"))


class Tape:
    """What backward needs, until its memory is given away."""

    def __init__(self, key, steps, last, masks):
        self.key = key
        self.steps = steps
        self.last = last
        self.masks = masks
        self.spent = False

    def check(self):
        if self.spent:
            raise ValueError("tape: this tape was given to reuse; use the newer one")


def _quietly(function):
    """Infinite numbers and NaN are values: the caller's NumPy does not hear of them."""

    @functools.wraps(function)
    def call(*arguments, **options):
        with np.errstate(all="ignore"):
            return function(*arguments, **options)

    return call


def init_params(input_size, hidden_size, *, seed=None, dtype="float32"):
    _size("input_size", input_size)
    _size("hidden_size", hidden_size)
    generator = np.random.default_rng(seed)
    bound = hidden_size**-0.5
    sizes = {"H": hidden_size, "H+D": hidden_size + input_size}
    return {
        name: generator.uniform(-bound, bound, [sizes[s] for s in shape]).astype(_dtype(dtype))
        for name, shape in PARAMETERS.items()
    }


def init_state(batch_size, hidden_size, *, dtype="float32"):
    _size("batch_size", batch_size, 0)
    _size("hidden_size", hidden_size)
    return {name: np.zeros((batch_size, hidden_size), _dtype(dtype)) for name in STATES}


def _size(name, value, least=1):
    if type(value) is not int or value < least:
        raise ValueError(f"{name}: expected a whole number from {least} on, not {value!r}")


def _dtype(dtype):
    if dtype not in ("float32", "float64") and not isinstance(dtype, np.dtype):
        raise ValueError(f"dtype: expected float32 or float64, not {dtype!r}")
    return np.dtype(dtype)


def _array(name, value, shape, dtype):
    fits = isinstance(value, np.ndarray) and value.dtype == dtype and value.shape == shape
    if not fits:
        raise ValueError(f"{name}: expected {dtype} of shape {shape}")


def _names(name, given, names):
    if not isinstance(given, dict) or set(given) != set(names):
        raise ValueError(f"{name}: expected a dict of {', '.join(names)}, not {given}")


def _params(params):
    """The sizes and the dtype, if all parameters have these."""
    _names("params", params, PARAMETERS)
    first = params["W_f"]
    if not isinstance(first, np.ndarray) or first.ndim != 2 or first.dtype not in DTYPES:
        raise ValueError("params: W_f must be a matrix of float32 or float64")
    H, wide = first.shape
    for name, shape in PARAMETERS.items():
        _array(f"params: {name}", params[name], (H, wide)[: len(shape)], first.dtype)
    return H, wide - H, first.dtype


def _state(name, state, B, H, dtype):
    _names(name, state, STATES)
    for key, value in state.items():
        _array(f"{name}: {key}", value, (B, H), dtype)


def _masks(T, B, lengths, restart, dtype):
    """By step and row: whether it is taken, and whether it begins with the state before it."""
    lengths = np.full(B, T) if lengths is None else lengths
    restart = np.zeros((T, B), bool) if restart is None else restart
    if lengths.dtype.kind != "i" or lengths.shape != (B,):
        raise TypeError(f"lengths: expected {B} whole numbers")
    if any(not 0 <= length <= T for length in lengths):
        raise ValueError(f"lengths: expected 0 to {T}")
    _array("restart", restart, (T, B), np.dtype(bool))
    taken = np.arange(T)[:, None] < lengths
    return taken[:, :, None], ~restart[:, :, None]


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


@_quietly
def forward(params, x, state=None, *, lengths=None, restart=None, reuse=None, tape=True):
    H, D, dtype = _params(params)
    if not isinstance(x, np.ndarray) or x.ndim != 3:
        raise ValueError("x: expected an array of three axes")
    T, B, _ = x.shape
    _array("x", x, (T, B, D), dtype)
    state = init_state(B, H, dtype=x.dtype) if state is None else state
    _state("state", state, B, H, dtype)
    key = (T, B, H, D, dtype)
    if reuse is not None:
        if not isinstance(reuse, Tape) or reuse.key != key:
            raise ValueError("reuse: expected a tape of the same sizes and dtype")
        if reuse.spent:
            raise ValueError("reuse: this tape is spent")
        reuse.spent = True
    taken, goes_on = masks = _masks(T, B, lengths, restart, dtype)
    h, C = state["h"].copy(), state["C"].copy()
    steps, y = [], np.zeros((T, B, H), dtype)
    for t in range(T):
        seen = np.where(taken[t], x[t], 0)
        steps.append(_step(params, seen, np.where(goes_on[t], h, 0), np.where(goes_on[t], C, 0)))
        y[t] = np.where(taken[t], steps[-1][-1], 0)
        h, C = np.where(taken[t], steps[-1][-1], h), np.where(taken[t], steps[-1][5], C)
    last = {"h": h.copy(), "C": C.copy()}
    return y, last, Tape(key, steps, (x.shape, h, C), masks) if tape else None


@_quietly
def step(params, x, state):
    H, D, dtype = _params(params)
    if not isinstance(x, np.ndarray) or x.ndim != 2:
        raise ValueError("x: expected an array of two axes")
    _array("x", x, (x.shape[0], D), dtype)
    _state("state", state, x.shape[0], H, dtype)
    result = _step(params, x, state["h"], state["C"])
    return {"h": result[-1], "C": result[5]}


@_quietly
def backward(params, tape, dy=None, dstate=None):
    if not isinstance(tape, Tape):
        raise TypeError("tape: expected what forward returned")
    tape.check()
    T, B = tape.key[:2]
    if tape.key != (T, B, *_params(params)):
        raise ValueError("params: the tape is of other sizes, or another dtype")
    shape, h, C = tape.last
    H = h.shape[1]
    if dy is not None:
        _array("dy", dy, (T, B, H), h.dtype)
    if dstate is not None:
        _state("dstate", dstate, B, H, h.dtype)
    dh = np.zeros_like(h) if dstate is None else dstate["h"].copy()
    dC = np.zeros_like(C) if dstate is None else dstate["C"].copy()
    dx = np.zeros(shape, h.dtype)
    grad = {name: np.zeros_like(value) for name, value in params.items()}
    for t in reversed(range(shape[0])):
        hx, f, i, g, C_old, C_new, o, _ = tape.steps[t]
        taken, goes_on = (mask[t] for mask in tape.masks)
        rest_h, rest_C = np.where(taken, 0, dh), np.where(taken, 0, dC)
        dh, dC = np.where(taken, dh, 0), np.where(taken, dC, 0)
        if dy is not None:
            dh = dh + np.where(taken, dy[t], 0)
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
        dh, dC = np.where(goes_on, dh, 0) + rest_h, np.where(goes_on, dC, 0) + rest_C
    return grad, dx, {"h": dh.copy(), "C": dC}
