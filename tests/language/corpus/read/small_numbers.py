from lstmgen import Abs, Cell, Eq, symbols, t, tanh

n, h, x, W = symbols("n h x W")

cell = Cell(
    "cell",
    Eq(n[t], 0.9 * n[t - 1] + 0.1 * Abs(x[t])),
    Eq(h[t], tanh(W @ h[t - 1]) + x[t] / (n[t] + 2.5e-6)),
)
