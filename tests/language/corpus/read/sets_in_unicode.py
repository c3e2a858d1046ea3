from lstmgen import Cell, Eq, symbols, t, tanh

lambda_, h, x, Phi, mu = symbols("lambda_ h x Phi mu")

cell = Cell(
    "cell",
    Eq(h[t], lambda_ * h[t - 1] + tanh(Phi @ x[t] + mu)),
)
