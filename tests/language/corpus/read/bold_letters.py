from lstmgen import Cell, Eq, sigma, symbols, t, tanh

z, h, x, W, U, V = symbols("z h x W U V")

cell = Cell(
    "cell",
    Eq(z[t], sigma(W @ x[t] + U @ h[t - 1])),
    Eq(h[t], z[t] * h[t - 1] + (1 - z[t]) * tanh(V @ x[t])),
)
