"""A parameter whose gradient has a term of zero."""

from lstmgen import Cell, Eq, sign, symbols, t

h, b, x, c = symbols("h b x c")

cell = Cell(
    "slope_of_zero",
    Eq(h[t], sign(b) + h[t-1] + x[t] * c),
)
