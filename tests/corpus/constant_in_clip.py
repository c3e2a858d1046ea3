"""NumPy: a step in float32 gave float64."""

import sympy

from lstmgen import Cell, Eq, clip, symbols, t

h, u, x = symbols("h u x")

cell = Cell(
    "constant_in_clip",
    Eq(h[t], h[t-1] + clip(sympy.E, u[t], x[t])),
)
