from lstmgen import Cell, Eq, sigma, symbols, t, tanh

f, c, o, h, x, A, B, C, D = symbols("f c o h x A B C D")

cell = Cell(
    "cell",
    Eq(f[t], sigma(D @ h[t - 1])),
    Eq(c[t], f[t] * c[t - 1] + tanh(C @ x[t])),
    Eq(o[t], sigma(A @ x[t] + B @ c[t])),
    Eq(h[t], o[t] * tanh(c[t])),
)
