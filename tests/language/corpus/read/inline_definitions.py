from lstmgen import Cell, Eq, sigma, symbols, t, tanh

z, n, h, x, A, B, C = symbols("z n h x A B C")

cell = Cell(
    "cell",
    Eq(z[t], sigma(A @ x[t] + B @ h[t - 1])),
    Eq(n[t], tanh(C @ x[t])),
    Eq(h[t], z[t] * h[t - 1] + (1 - z[t]) * n[t]),
)
