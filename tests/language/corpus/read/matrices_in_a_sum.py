from lstmgen import Cell, Eq, symbols, t, tanh

h, x, W, V, d = symbols("h x W V d")

cell = Cell(
    "cell",
    Eq(
        h[t],
        h[t - 1]
        + 0.01 * tanh(W @ h[t - 1] - W.T @ h[t - 1] - 0.1 * h[t - 1] + V @ x[t] + d * x[t]),
    ),
)
