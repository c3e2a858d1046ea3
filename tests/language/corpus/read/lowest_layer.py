from lstmgen import Cell, Eq, symbols, t, tanh

h, x, W, U = symbols("h x W U")

cell = Cell(
    "cell",
    Eq(h[t], tanh(W @ x[t] + U @ h[t - 1])),
)
