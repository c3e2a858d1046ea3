from lstmgen import Cell, Eq, sigma, symbols, t

f, h, x, W_f, W = symbols("f h x W_f W")

cell = Cell(
    "cell",
    Eq(f[t], sigma(W_f @ x[t])),
    Eq(h[t], f[t] * h[t - 1] + (W @ x[t] - f[t] * (W @ x[t]))),
)
