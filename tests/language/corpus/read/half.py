from lstmgen import Cell, Eq, symbols, t, tanh

h, x, W = symbols("h x W")

cell = Cell(
    "cell",
    Eq(h[t], 0.5 * h[t - 1] + 0.5 * tanh(W @ x[t])),
)
