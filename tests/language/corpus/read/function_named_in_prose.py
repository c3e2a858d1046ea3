from lstmgen import Cell, Eq, symbols, t, tanh

h, x, W, U, b = symbols("h x W U b")

cell = Cell(
    "cell",
    Eq(h[t], tanh(W @ x[t] + U @ h[t - 1] + b)),
)
