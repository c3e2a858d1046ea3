"""An input of one number for each row tells no size."""

from lstmgen import Cell, Eq, scalars, symbols, t

h = symbols("h")
m = scalars("m")

cell = Cell(
    "input_of_one_number_alone",
    Eq(h[t], m[t] * -m[t] + 0.5 * h[t-1]),
)
