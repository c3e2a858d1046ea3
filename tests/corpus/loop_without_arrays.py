"""CuPy: a loop over nothing was a SyntaxError."""

from lstmgen import Cell, Eq, symbols, t

v, h, x = symbols("v h x")

cell = Cell(
    "loop_without_arrays",
    Eq(v[t], v[t-1]),
    Eq(h[t], x[t]),
    sizes={'v': 'Q'},
)
