"""Adjoints that are alike: one of them reached a group that is added to the carry."""

import sympy

from lstmgen import Cell, Eq, exp, relu, sigma, sqrt, symbols, t, tanh

v0, W0, x, b0, v1, b1, v2, v3, v4, v5, W1, v6, h = symbols("v0 W0 x b0 v1 b1 v2 v3 v4 v5 W1 v6 h")

cell = Cell(
    "cell",
    Eq(v0[t], W0 @ x[t] + b0),
    Eq(v1[t], sigma((-sympy.sqrt(2) * (-b1 - -0.25)) ** 5) + v0[t-1]),
    Eq(v2[t], 1 - tanh(v3[t-1]) + (v2[t-1] - (v2[t-1] + v3[t-1] + v2[t-1]) * v2[t-1])),
    Eq(v3[t], -exp(relu(relu(sqrt(v0[t])))) ** 0.5),
    Eq(v4[t], v0[t]),
    Eq(v5[t], sigma(W1 @ [v4[t], v0[t]] - x[t] * x[t])),
    Eq(v6[t], v4[t]),
    Eq(h[t], v2[t]),
    output='v4',
)
