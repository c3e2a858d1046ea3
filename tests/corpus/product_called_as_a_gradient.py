"""A product of the weight d with x had the name of the gradient of x."""

from lstmgen import Cell, Eq, symbols, t, tanh

h, d, x = symbols("h d x")

cell = Cell(
    "product_called_as_a_gradient",
    Eq(h[t], tanh(d @ [x[t]]) + h[t-1]),
)
