from lstmgen import Cell, Eq, sigma, symbols, t, tanh

z, h, x, A, C = symbols("z h x A C")

cell = Cell(
    "cell",
    Eq(z[t], sigma(A @ x[t])),
    Eq(h[t], z[t] * h[t - 1] + (1 - z[t]) * tanh(C @ x[t])),
)
