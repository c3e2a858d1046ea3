"""Cells by hand in NumPy, right, or with one of the mistakes that people make."""

from __future__ import annotations

from typing import Any

import numpy as np

Result = tuple[Any, dict[str, Any]]


def sigmoid(a: Any) -> Any:
    return 1 / (1 + np.exp(-a))


def hard_sigmoid(a: Any) -> Any:
    return np.clip(0.2 * a + 0.5, 0, 1)


def joined(*parts: Any) -> Any:
    return np.concatenate(parts, axis=1)


def lstm(p: Any, x: Any, state: Any, mistake: str = "") -> Result:
    """The built-in cell `lstm`."""
    h, c = state["h"], state["C"]
    outputs = []
    for x_t in x:
        z = joined(x_t, h) if mistake == "x before h" else joined(h, x_t)
        bias = {"no bias": 0.0, "double bias": 2.0}.get(mistake, 1.0)
        a = {g: z @ p[f"W_{g}"].T + bias * p[f"b_{g}"] for g in "fiCo"}
        if mistake == "one bias less":
            a["o"] = a["o"] - p["b_o"]
        if mistake == "gates in another order":
            a = dict(zip("fiCo", (a["i"], a["f"], a["o"], a["C"]), strict=True))
        if mistake == "forget bias added":
            a["f"] = a["f"] + 1
        gate = hard_sigmoid if mistake == "hard sigmoid" else sigmoid
        f, i, new, o = gate(a["f"]), gate(a["i"]), np.tanh(a["C"]), gate(a["o"])
        if mistake == "f and i swapped":
            f, i = i, f
        before, c = c, f * c + i * new
        if mistake == "old C in the output":
            h = o * np.tanh(before)
        elif mistake == "no tanh in the output":
            h = o * c
        else:
            h = o * np.tanh(c)
        outputs.append(h)
    y = np.array(outputs)
    if mistake == "y one step late":
        y = np.concatenate([state["h"][None], y[:-1]])
    if mistake == "something else":
        y, h = y * 1.01, h * 1.01
    return y, {"h": h, "C": c}


def gru(p: Any, x: Any, state: Any, mistake: str = "") -> Result:
    """The built-in cell `gru`."""
    h = state["h"]
    outputs = []
    for x_t in x:
        z, r = (sigmoid(joined(h, x_t) @ p[w].T) for w in ("W_z", "W_r"))
        if mistake == "reset after":
            units = h.shape[1]
            new = np.tanh(r * (h @ p["W"][:, :units].T) + x_t @ p["W"][:, units:].T)
        else:
            new = np.tanh(joined(r * h, x_t) @ p["W"].T)
        if mistake == "z complemented":
            z = 1 - z
        h = (1 - z) * h + z * new
        outputs.append(h)
    return np.array(outputs), {"h": h}


def gru_reset_after(p: Any, x: Any, state: Any, mistake: str = "") -> Result:
    """The built-in cell of that name."""
    h = state["h"]
    outputs = []
    for x_t in x:
        r = sigmoid(joined(h, x_t) @ p["W_r"].T + p["b_r"])
        z = sigmoid(joined(h, x_t) @ p["W_z"].T + p["b_z"])
        if mistake == "reset before":
            recurrent = (r * h) @ p["U_n"].T + p["c_n"]
        elif mistake == "bias outside":
            recurrent = r * (h @ p["U_n"].T) + p["c_n"]
        elif mistake == "transposed":
            recurrent = r * (h @ p["U_n"] + p["c_n"])
        else:
            recurrent = r * (h @ p["U_n"].T + p["c_n"])
        new = np.tanh(x_t @ p["W_n"].T + p["b_n"] + recurrent)
        h = (1 - z) * new + z * h
        outputs.append(h)
    return np.array(outputs), {"h": h}


def peephole_diagonal(p: Any, x: Any, state: Any, mistake: str = "") -> Result:
    """The built-in cell of that name."""
    h, c = state["h"], state["c"]
    outputs = []
    for x_t in x:
        a = {g: x_t @ p[f"W_{g}"].T + h @ p[f"U_{g}"].T + p[f"b_{g}"] for g in "ifco"}
        if mistake == "transposed":
            a = {g: x_t @ p[f"W_{g}"].T + h @ p[f"U_{g}"] + p[f"b_{g}"] for g in "ifco"}
        i, f = (sigmoid(a[g] + p[f"p_{g}"] * c) for g in "if")
        before, c = c, f * c + i * np.tanh(a["c"])
        seen = before if mistake == "peephole on the old state" else c
        h = sigmoid(a["o"] + p["p_o"] * seen) * np.tanh(c)
        outputs.append(h)
    return np.array(outputs), {"h": h, "c": c}


def lem(p: Any, x: Any, state: Any, mistake: str = "") -> Result:
    """The built-in cell of that name."""
    y, z = state["y"], state["z"]
    outputs = []
    for x_t in x:
        d, d_bar = (
            p["Deltat"] * sigmoid(y @ p[f"W_{k}"].T + x_t @ p[f"V_{k}"].T + p[f"b_{k}"])
            for k in "12"
        )
        before = z
        z = (1 - d) * z + d * np.tanh(y @ p["W_z"].T + x_t @ p["V_z"].T + p["b_z"])
        seen = before if mistake == "old z" else z
        y = (1 - d_bar) * y + d_bar * np.tanh(seen @ p["W_y"].T + x_t @ p["V_y"].T + p["b_y"])
        outputs.append(y)
    return np.array(outputs), {"y": y, "z": z}


def coupled_states(p: Any, x: Any, state: Any, mistake: str = "") -> Result:
    """h[t] = tanh(W @ [h[t-1], c[t-1], x[t]]), c[t] = h[t] * c[t-1], where c is updated last."""
    h, c = state["h"], state["c"]
    outputs = []
    for x_t in x:
        before = h
        h = np.tanh(joined(h, c, x_t) @ p["W"].T)
        c = (h if mistake == "new h a step early" else before) * c
        outputs.append(h)
    return np.array(outputs), {"h": h, "c": c}
