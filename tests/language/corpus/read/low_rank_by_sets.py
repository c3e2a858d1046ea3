from lstmgen import Cell, Eq, symbols, t, tanh

q_Q, h, x, P, Q, W = symbols("q_Q h x P Q W")

cell = Cell(
    "cell",
    Eq(q_Q[t], Q.T @ h[t - 1]),
    Eq(h[t], tanh(P @ q_Q[t] + W @ x[t])),
    sizes={"q_Q": "R"},
)
