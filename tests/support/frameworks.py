"""PyTorch's, Keras' and ONNX's recurrent layers in NumPy, as their documentation gives them.

Each takes the framework's own arrays; gates are cut out in the documented order.  Nothing here
comes from lstmgen.  Sources: docs of torch.nn.LSTM, GRU, RNN; onnx.ai/onnx/operators (LSTM, GRU,
RNN); keras.io LSTM, GRU, SimpleRNN and their cells' `call`.
"""

from __future__ import annotations

import numpy as np


def sigma(a):
    return 1 / (1 + np.exp(-a))


def gates(array, order, axis=0):
    """The parts of a stack by the letters of `order`."""
    return dict(zip(order, np.split(array, len(order), axis=axis), strict=True))


def run(step, x, *state):
    """y at every step, and the last state; the first of a state is the output."""
    y = []
    for x_t in x:
        state = step(x_t, *state)
        y.append(state[0])
    return np.array(y), state


def torch_lstm(d, x, h, c):
    W, U = gates(d["weight_ih_l0"], "ifgo"), gates(d["weight_hh_l0"], "ifgo")
    b, u = gates(d["bias_ih_l0"], "ifgo"), gates(d["bias_hh_l0"], "ifgo")

    def step(x, h, c):
        a = {k: x @ W[k].T + b[k] + h @ U[k].T + u[k] for k in "ifgo"}
        c = sigma(a["f"]) * c + sigma(a["i"]) * np.tanh(a["g"])
        h = sigma(a["o"]) * np.tanh(c)
        return (h @ d["weight_hr_l0"].T if "weight_hr_l0" in d else h), c

    return run(step, x, h, c)


def torch_gru(d, x, h):
    W, U = gates(d["weight_ih_l0"], "rzn"), gates(d["weight_hh_l0"], "rzn")
    b, u = gates(d["bias_ih_l0"], "rzn"), gates(d["bias_hh_l0"], "rzn")

    def step(x, h):
        r, z = (sigma(x @ W[k].T + b[k] + h @ U[k].T + u[k]) for k in "rz")
        n = np.tanh(x @ W["n"].T + b["n"] + r * (h @ U["n"].T + u["n"]))
        return ((1 - z) * n + z * h,)

    return run(step, x, h)


def torch_rnn(d, x, h):
    def step(x, h):
        a = x @ d["weight_ih_l0"].T + d["bias_ih_l0"] + h @ d["weight_hh_l0"].T + d["bias_hh_l0"]
        return (np.tanh(a),)

    return run(step, x, h)


def keras_lstm(weights, x, h, c):
    W, U, b = (gates(a, "ifco", axis=-1) for a in weights)

    def step(x, h, c):
        a = {k: x @ W[k] + h @ U[k] + b[k] for k in "ifco"}
        c = sigma(a["f"]) * c + sigma(a["i"]) * np.tanh(a["c"])
        return sigma(a["o"]) * np.tanh(c), c

    return run(step, x, h, c)


def keras_gru(weights, x, h, *, reset_after):
    W, U, b = (gates(a, "zrh", axis=-1) for a in weights)

    def step(x, h):
        if reset_after:
            z, r = (sigma(x @ W[k] + b[k][0] + h @ U[k] + b[k][1]) for k in "zr")
            n = np.tanh(x @ W["h"] + b["h"][0] + r * (h @ U["h"] + b["h"][1]))
        else:
            z, r = (sigma(x @ W[k] + b[k] + h @ U[k]) for k in "zr")
            n = np.tanh(x @ W["h"] + b["h"] + (r * h) @ U["h"])
        return (z * h + (1 - z) * n,)

    return run(step, x, h)


def keras_rnn(weights, x, h):
    kernel, recurrent, bias = weights
    return run(lambda x, h: (np.tanh(x @ kernel + h @ recurrent + bias),), x, h)


def onnx_lstm(w, x, h, c, *, input_forget=0):
    W, R = gates(w["W"][0], "iofc"), gates(w["R"][0], "iofc")
    first, second = np.split(w["B"][0], 2)
    b = gates(first + second, "iofc")
    P = gates(w["P"][0], "iof") if "P" in w else dict.fromkeys("iof", 0.0)

    def step(x, h, c):
        a = {k: x @ W[k].T + h @ R[k].T + b[k] for k in "iofc"}
        i = sigma(a["i"] + P["i"] * c)
        f = 1 - i if input_forget else sigma(a["f"] + P["f"] * c)
        c = f * c + i * np.tanh(a["c"])
        return sigma(a["o"] + P["o"] * c) * np.tanh(c), c

    return run(step, x, h, c)


def onnx_gru(w, x, h, *, linear_before_reset):
    W, R = gates(w["W"][0], "zrh"), gates(w["R"][0], "zrh")
    b, u = (gates(part, "zrh") for part in np.split(w["B"][0], 2))

    def step(x, h):
        z, r = (sigma(x @ W[k].T + h @ R[k].T + b[k] + u[k]) for k in "zr")
        if linear_before_reset:
            n = np.tanh(x @ W["h"].T + r * (h @ R["h"].T + u["h"]) + b["h"])
        else:
            n = np.tanh(x @ W["h"].T + (r * h) @ R["h"].T + u["h"] + b["h"])
        return ((1 - z) * n + z * h,)

    return run(step, x, h)


def onnx_rnn(w, x, h):
    first, second = np.split(w["B"][0], 2)

    def step(x, h):
        return (np.tanh(x @ w["W"][0].T + h @ w["R"][0].T + first + second),)

    return run(step, x, h)


def flax_dense(tree, name, a):
    """flax.linen.Dense: x @ kernel + bias."""
    return a @ tree[name]["kernel"] + tree[name].get("bias", 0)


def flax_lstm(tree, x, h, c):
    def step(x, h, c):
        i, f, g, o = (flax_dense(tree, "i" + k, x) + flax_dense(tree, "h" + k, h) for k in "ifgo")
        c = sigma(f) * c + sigma(i) * np.tanh(g)
        return sigma(o) * np.tanh(c), c

    return run(step, x, h, c)


def flax_gru(tree, x, h):
    def step(x, h):
        r, z = (sigma(flax_dense(tree, "i" + k, x) + flax_dense(tree, "h" + k, h)) for k in "rz")
        n = np.tanh(flax_dense(tree, "in", x) + r * flax_dense(tree, "hn", h))
        return ((1 - z) * n + z * h,)

    return run(step, x, h)


def flax_simple(tree, x, h):
    def step(x, h):
        return (np.tanh(flax_dense(tree, "i", x) + flax_dense(tree, "h", h)),)

    return run(step, x, h)
