from lstmgen import Cell, Eq, sigma, symbols, t, tanh

z, n, h, x, W_z, U_z, W_n = symbols("z n h x W_z U_z W_n")

cell = Cell(
    "cell",
    Eq(z[t], sigma(W_z @ x[t] + U_z @ h[t - 1])),
    Eq(n[t], tanh(W_n @ x[t])),
    Eq(h[t], z[t] * h[t - 1] + (1 - z[t]) * n[t]),
)
