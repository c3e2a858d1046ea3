from lstmgen import Cell, Eq, exp, symbols, t

h, x, a, B = symbols("h x a B")

cell = Cell(
    "cell",
    Eq(h[t], exp(-exp(a)) * h[t - 1] + B @ x[t]),
)
