from lstmgen import Cell, Eq, sigma, symbols, t, tanh

c, h, x, A = symbols("c h x A")

cell = Cell(
    "cell",
    Eq(c[t], c[t - 1] + 4 * sigma(A @ x[t]) - 2),
    Eq(h[t], tanh(c[t])),
)
