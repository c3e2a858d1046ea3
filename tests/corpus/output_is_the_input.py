"""CuPy: NameError, for the adjoint of the output was taken for a product's."""

from lstmgen import Cell, Eq, symbols, t

v, b, h, x = symbols("v b h x")

cell = Cell(
    "output_is_the_input",
    Eq(v[t], b * v[t-1]),
    Eq(h[t], x[t]),
)
