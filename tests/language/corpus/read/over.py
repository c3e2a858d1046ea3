from lstmgen import Cell, Eq, symbols, t

h, x, W = symbols("h x W")

cell = Cell(
    "cell",
    Eq(h[t], (h[t - 1] + W @ x[t]) / 2),
)
