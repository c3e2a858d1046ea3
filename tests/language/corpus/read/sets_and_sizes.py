from lstmgen import Cell, Eq, scalars, symbols, t, tanh

q, h, x, Q, W, P, b = symbols("q h x Q W P b")
beta = scalars("beta")

cell = Cell(
    "cell",
    Eq(q[t], Q @ h[t - 1]),
    Eq(h[t], tanh(W @ x[t] + beta * (P @ q[t]) + b)),
    sizes={"q": "R"},
)
