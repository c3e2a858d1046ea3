"""Per-unit factors of a product that two terms share."""

from lstmgen import Cell, Eq, sigma, symbols, t

v, U, h, d, a, W, x, b, c = symbols("v U h d a W x b c")

cell = Cell(
    "per_unit_factors",
    Eq(v[t], U @ h[t-1]),
    Eq(d[t], a * v[t] * (W @ x[t]) + b * v[t] + c * (W @ x[t])),
    Eq(h[t], d[t] * sigma(d[t])),
)
