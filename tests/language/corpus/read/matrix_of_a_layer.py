from lstmgen import Cell, Eq, symbols, t

h, x, W, U, b = symbols("h x W U b")

cell = Cell(
    "cell",
    Eq(h[t], W @ (U @ x[t] + b) + h[t - 1]),
)
