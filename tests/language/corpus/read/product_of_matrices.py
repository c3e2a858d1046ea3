from lstmgen import Cell, Eq, symbols, t, tanh

q, h, x, P, Q, W = symbols("q h x P Q W")

cell = Cell(
    "cell",
    Eq(q[t], Q.T @ h[t - 1]),
    Eq(h[t], tanh(P @ q[t] + W @ x[t])),
    sizes={"q": "R"},
)
