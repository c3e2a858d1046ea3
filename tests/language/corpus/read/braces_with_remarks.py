from lstmgen import Cell, Eq, sigma, symbols, t

z, h, x, A = symbols("z h x A")

cell = Cell(
    "cell",
    Eq(z[t], sigma(A @ x[t])),
    Eq(h[t], z[t] * h[t - 1] + (1 - z[t]) * x[t]),
)
