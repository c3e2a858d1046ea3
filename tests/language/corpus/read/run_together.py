from lstmgen import Cell, Eq, sigma, symbols, t, tanh

i, X, H, C, Wi, Ri, Pi, bi, Wc, bc = symbols("i X H C Wi Ri Pi bi Wc bc")

cell = Cell(
    "cell",
    Eq(i[t], sigma(Wi @ X[t] + Ri @ H[t - 1] + Pi * C[t - 1] + bi)),
    Eq(C[t], i[t] * C[t - 1] + (1 - i[t]) * tanh(Wc @ X[t] + bc)),
    Eq(H[t], tanh(C[t])),
    output="H",
)
