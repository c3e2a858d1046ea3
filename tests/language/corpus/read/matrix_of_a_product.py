from lstmgen import Cell, Eq, sigma, symbols, t, tanh

r, h, x, A, W, U = symbols("r h x A W U")

cell = Cell(
    "cell",
    Eq(r[t], sigma(A @ x[t])),
    Eq(h[t], tanh(W @ x[t] + U @ [r[t] * h[t - 1]])),
)
