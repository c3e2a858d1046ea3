from lstmgen import Cell, Eq, symbols, t, tanh

h, x, W, U, b = symbols("h x W U b")

cell = Cell(
    "cell",
    Eq(h[t], tanh(W.T @ x[t] + U.T @ h[t - 1] + b)),
)
