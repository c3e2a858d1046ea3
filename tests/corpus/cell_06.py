"""NumPy module: ValueError."""

from lstmgen import Cell, Eq, relu, sigma, softplus, symbols, t, tanh

q, x, m, r, h, s, W0, b1, d2, W3, b4, u, g5, W6, b7, c8 = symbols("q x m r h s W0 b1 d2 W3 b4 u g5 W6 b7 c8")

cell = Cell(
    "cell_06",
    Eq(q[t], tanh(x[t] + x[t] * m[t])),
    Eq(r[t], tanh(h[t-1])),
    Eq(s[t], tanh(q[t] * softplus(W0 @ [r[t], q[t], h[t-1]] + b1 + d2 * h[t-1]) + sigma(W3 @ [r[t]] + b4))),
    Eq(u[t], tanh(g5 * r[t])),
    Eq(h[t], tanh(h[t-1] + u[t] + x[t] * relu(W6 @ [u[t]] + b7)) + c8 * h[t-1]),
)
