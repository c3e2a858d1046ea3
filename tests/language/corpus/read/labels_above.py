from lstmgen import Cell, Eq, sigma, symbols, t

f, i, h, x, W_f, U_f, b_f, W_i, U_i, b_i = symbols("f i h x W_f U_f b_f W_i U_i b_i")

cell = Cell(
    "cell",
    Eq(f[t], sigma(W_f @ x[t] + U_f @ h[t - 1] + b_f)),
    Eq(i[t], sigma(W_i @ x[t] + U_i @ h[t - 1] + b_i)),
    Eq(h[t], f[t] * h[t - 1] + i[t] * x[t]),
)
