from lstmgen import Cell, Eq, sigma, symbols, t, tanh

i, g, h, x, T_i, T_g = symbols("i g h x T_i T_g")

cell = Cell(
    "cell",
    Eq(i[t], sigma(T_i @ [x[t], h[t - 1]])),
    Eq(g[t], tanh(T_g @ [x[t], h[t - 1]])),
    Eq(h[t], (1 - i[t]) * h[t - 1] + i[t] * g[t]),
)
