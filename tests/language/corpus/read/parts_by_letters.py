from lstmgen import Cell, Eq, symbols, t, tanh

C_S, C_T, C_star, C, h, x, g, W_d, W = symbols("C_S C_T C_star C h x g W_d W")

cell = Cell(
    "cell",
    Eq(C_S[t], tanh(W_d @ C[t - 1])),
    Eq(C_T[t], C[t - 1] - C_S[t]),
    Eq(C_star[t], C_T[t] + C_S[t] * g[t]),
    Eq(C[t], C_star[t] + W @ x[t]),
    Eq(h[t], tanh(C[t])),
)
