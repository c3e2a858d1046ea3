from lstmgen import Cell, Eq, scalars, symbols, t

h, x, W = symbols("h x W")
alpha = scalars("alpha")

cell = Cell(
    "cell",
    Eq(h[t], alpha[t] * h[t - 1] + W @ x[t]),
)
