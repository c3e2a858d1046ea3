from lstmgen import Cell, Eq, symbols, t, tanh

y, h, x, W, U, b = symbols("y h x W U b")

cell = Cell(
    "cell",
    Eq(h[t], tanh(W @ x[t] + U @ h[t - 1] + b)),
    Eq(y[t], h[t]),
    output="y",
)
