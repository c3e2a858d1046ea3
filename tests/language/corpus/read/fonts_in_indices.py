from lstmgen import Cell, Eq, symbols, t, tanh

h, x, W_in, W_rec, b_out = symbols("h x W_in W_rec b_out")

cell = Cell(
    "cell",
    Eq(h[t], tanh(W_in @ x[t] + W_rec @ h[t - 1] + b_out)),
)
