from lstmgen import Cell, Eq, sigma, symbols, t, tanh

z, h, s, x, U_z, W_z, U_h = symbols("z h s x U_z W_z U_h")

cell = Cell(
    "cell",
    Eq(z[t], sigma(U_z.T @ x[t] + W_z.T @ s[t - 1])),
    Eq(h[t], tanh(U_h.T @ x[t])),
    Eq(s[t], (1 - z[t]) * h[t] + z[t] * s[t - 1]),
    output="s",
)
