from lstmgen import Cell, Eq, sigma, symbols, t, tanh

z, h, x, W_z, U_z, W_n = symbols("z h x W_z U_z W_n")

cell = Cell(
    "cell",
    Eq(z[t], sigma(W_z.T @ x[t] + U_z.T @ h[t - 1])),
    Eq(h[t], z[t] * h[t - 1] + (1 - z[t]) * tanh(W_n.T @ x[t])),
)
