from lstmgen import Cell, Eq, symbols, t, tanh

x, u, W_in, W = symbols("x u W_in W")

cell = Cell(
    "cell",
    Eq(x[t], tanh(W_in @ u[t] + W @ x[t - 1])),
    output="x",
)
