from lstmgen import Cell, Eq, sigma, symbols, t, tanh

z, s, h, x, W_z, U_z, W_s, U_s = symbols("z s h x W_z U_z W_s U_s")

cell = Cell(
    "cell",
    Eq(z[t], W_z.T @ x[t] + U_z.T @ h[t - 1]),
    Eq(s[t], W_s.T @ x[t] + U_s.T @ h[t - 1]),
    Eq(h[t], sigma(z[t]) * h[t - 1] + (1 - sigma(z[t])) * tanh(s[t])),
)
