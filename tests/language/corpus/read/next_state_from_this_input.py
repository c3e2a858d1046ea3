from lstmgen import Cell, Eq, sigma, symbols, t, tanh

c, f, x, N, n, F, G = symbols("c f x N n F G")

cell = Cell(
    "cell",
    Eq(f[t], sigma(F @ x[t] + G @ c[t - 1])),
    Eq(c[t], f[t] * c[t - 1] + (1 - f[t]) * tanh(N @ x[t] + n)),
    output="c",
)
