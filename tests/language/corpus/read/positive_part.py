from lstmgen import Cell, Eq, relu, symbols, t

h, x, W, u, V = symbols("h x W u V")

cell = Cell(
    "cell",
    Eq(h[t], relu(W @ x[t] + u * h[t - 1]) - relu(V @ x[t])),
)
