"""Cells that use every part of the notation, for the tests of the verification."""

from __future__ import annotations

import sympy

from lstmgen import (
    Abs,
    Cell,
    Eq,
    Max,
    Min,
    cos,
    exp,
    log,
    relu,
    scalars,
    sigma,
    sin,
    softplus,
    sqrt,
    symbols,
    t,
    tanh,
)

a, b, c, C, f, g, h, o, p, q, r, s, u, v, x, z = symbols("a b c C f g h o p q r s u v x z")
W, V, U, d, e, k = symbols("W V U d e k")
alpha, beta = scalars("alpha beta")


def cells() -> dict[str, Cell]:
    """By name."""
    made = [
        Cell(
            "functions",
            Eq(a[t], W @ [h[t - 1], x[t]] + d),
            Eq(f[t], softplus(a[t]) + log(1 + exp(sin(a[t])) ** 2)),
            Eq(g[t], sqrt(1 + a[t] ** 2) / (2 + cos(h[t - 1])) - Abs(a[t] - d) ** 3),
            Eq(h[t], tanh(f[t] * g[t] / 4) + alpha * h[t - 1] - beta**2 * e),
        ),
        Cell(
            "kinks",
            Eq(a[t], W @ [h[t - 1], x[t]]),
            Eq(p[t], Max(a[t], d, -h[t - 1])),
            Eq(q[t], Min(relu(a[t]), 1) + relu(p[t] - d)),
            Eq(h[t], Max(0, Min(q[t], tanh(p[t]))) + h[t - 1] / 2),
        ),
        Cell(
            "relu_of_relu",
            Eq(a[t], relu(W @ [h[t - 1], x[t]])),
            Eq(h[t], relu(a[t]) - h[t - 1] / 3),
        ),
        Cell(
            "two_inputs",
            Eq(z[t], sigma(W @ [h[t - 1], x[t], u[t]] + d)),
            Eq(r[t], tanh(V @ [x[t], z[t] * h[t - 1]] - e)),
            Eq(h[t], z[t] * h[t - 1] + (1 - z[t]) * r[t]),
        ),
        Cell(
            "sizes",
            Eq(r[t], tanh(W @ [h[t - 1], r[t - 1], x[t]] + d)),
            Eq(v[t], sigma(V @ [r[t]]) - V @ [r[t - 1]]),
            Eq(h[t], v[t] * tanh(U @ [h[t - 1]]) + alpha * (U.T @ (v[t] * h[t - 1]))),
            Eq(o[t], tanh(k @ [h[t], r[t]])),
            output="o",
            sizes={"r": "P", "o": "Q"},
        ),
        Cell(
            "tied_input",
            Eq(h[t], tanh(W @ [h[t - 1]] + x[t]) + d * h[t - 1] - x[t] * h[t - 1]),
        ),
        Cell(
            "shared_product",
            Eq(q[t], W @ [h[t - 1]]),
            Eq(f[t], sigma(W @ [h[t - 1]] + d) * (V @ [x[t]] - q[t])),
            Eq(h[t], tanh(f[t]) - sigma(V @ [x[t]] - W @ [f[t]])),
        ),
        Cell(
            "memory",
            Eq(h[t], tanh(W @ [h[t - 1], s[t - 1], x[t]])),
            Eq(s[t], h[t - 1] + s[t - 1] * sympy.Rational(1, 3) + 0.1),
        ),
        Cell("no_parameter", Eq(h[t], tanh(x[t] * h[t - 1]) + u[t])),
        plain_sympy(),
    ]
    return {cell.name: cell for cell in made}


def plain_sympy() -> Cell:
    """Written with SymPy's own functions and IndexedBase."""
    time = sympy.Symbol("t", integer=True)
    y, s = sympy.IndexedBase("y"), sympy.IndexedBase("s")
    m, n = sympy.symbols("m n")
    return Cell(
        "plain_sympy",
        sympy.Eq(s[time], sympy.tanh(m * y[time - 1] + n * s[time - 1])),
        sympy.Eq(
            y[time],
            sympy.Max(s[time], y[time - 1]) * sympy.exp(-s[time]) / sympy.sqrt(2 + m**2)
            + sympy.pi * sympy.Symbol("k") * sympy.IndexedBase("x")[time],
        ),
        output="y",
    )
