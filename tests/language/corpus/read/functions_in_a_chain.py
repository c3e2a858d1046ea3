from lstmgen import Cell, Eq, exp, symbols, t, tanh

f, h, x, W, U, V = symbols("f h x W U V")

cell = Cell(
    "cell",
    Eq(f[t], 1 / (1 + exp(-(W @ x[t] + U @ h[t - 1])))),
    Eq(h[t], f[t] * tanh(h[t - 1]) + (1 - f[t]) * tanh(V @ x[t])),
)
