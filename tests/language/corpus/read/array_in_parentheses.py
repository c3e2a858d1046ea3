from lstmgen import Cell, Eq, symbols, t, tanh

h, x, W, b = symbols("h x W b")

cell = Cell(
    "cell",
    Eq(h[t], tanh(W @ [x[t], h[t - 1]] + b)),
)
