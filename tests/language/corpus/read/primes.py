from lstmgen import Cell, Eq, sigma, symbols, t, tanh

f, x, F, G, h, c, N, b_n = symbols("f x F G h c N b_n")

cell = Cell(
    "cell",
    Eq(f[t], sigma(F @ x[t] + G @ h[t - 1])),
    Eq(c[t], f[t] * c[t - 1] + (1 - f[t]) * tanh(N @ x[t] + b_n)),
    Eq(h[t], tanh(c[t])),
)
