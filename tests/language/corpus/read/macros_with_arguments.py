from lstmgen import Cell, Eq, sigma, symbols, t

g, h, x, W_g, U_g, W_n = symbols("g h x W_g U_g W_n")

cell = Cell(
    "cell",
    Eq(g[t], sigma(W_g @ x[t] + U_g @ h[t - 1])),
    Eq(h[t], g[t] * h[t - 1] + (1 - g[t]) * (W_n @ x[t])),
)
