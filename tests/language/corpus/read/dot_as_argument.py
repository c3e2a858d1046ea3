from lstmgen import Cell, Eq, Max, symbols, t

h, x, W, U, b = symbols("h x W U b")

cell = Cell(
    "cell",
    Eq(h[t], Max(0, W @ x[t] + U @ h[t - 1] + b)),
)
