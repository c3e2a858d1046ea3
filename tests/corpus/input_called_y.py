"""An input whose gradient had the name of dL/dy."""

from lstmgen import Cell, Eq, symbols, t

h, W, y, b = symbols("h W y b")

cell = Cell(
    "input_called_y",
    Eq(h[t], W @ [y[t], y[t]] + b + 0.5 * h[t-1]),
    sizes={'y': 'P'},
)
