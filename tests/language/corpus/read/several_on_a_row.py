from lstmgen import Cell, Eq, sigma, symbols, t, tanh

i, n, h, x, A, B, C = symbols("i n h x A B C")

cell = Cell(
    "cell",
    Eq(i[t], sigma(A @ x[t] + B @ h[t - 1])),
    Eq(n[t], tanh(C @ x[t])),
    Eq(h[t], i[t] * n[t] + (1 - i[t]) * h[t - 1]),
)
