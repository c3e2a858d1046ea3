"""CuPy: a kernel without results, for a value of another size."""

from lstmgen import Cell, Eq, symbols, t

v, W, x, u, x2, h = symbols("v W x u x2 h")

cell = Cell(
    "unread_value_of_another_size",
    Eq(v[t], W @ x[t]),
    Eq(u[t], 0.5 * u[t-1] + x2[t]),
    Eq(h[t], u[t-1]),
    sizes={'v': 'Q'},
)
