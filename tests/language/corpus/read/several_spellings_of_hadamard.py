from lstmgen import Cell, Eq, sigma, symbols, t, tanh

z, h, x, p, A, C = symbols("z h x p A C")

cell = Cell(
    "cell",
    Eq(z[t], sigma(p * h[t - 1] + A @ x[t])),
    Eq(h[t], z[t] * h[t - 1] + (1 - z[t]) * tanh(C @ x[t])),
)
