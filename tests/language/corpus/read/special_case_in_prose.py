from lstmgen import Cell, Eq, sigma, symbols, t

h, x, W, V, b = symbols("h x W V b")

cell = Cell(
    "cell",
    Eq(h[t], sigma(W @ x[t] + b) * h[t - 1] + V @ x[t]),
)
