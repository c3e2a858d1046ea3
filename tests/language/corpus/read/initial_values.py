from lstmgen import Cell, Eq, sigma, symbols, t, tanh

c, h, x, F, N = symbols("c h x F N")

cell = Cell(
    "cell",
    Eq(c[t], sigma(F @ x[t]) * c[t - 1] + tanh(N @ h[t - 1])),
    Eq(h[t], tanh(c[t])),
)
