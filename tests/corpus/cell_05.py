"""NumPy module: ValueError."""

from lstmgen import Cell, Eq, sigma, softplus, symbols, t, tanh

r, W0, m, x, h, b1, s, u, W2, b3, c4 = symbols("r W0 m x h b1 s u W2 b3 c4")

cell = Cell(
    "cell_05",
    Eq(r[t], tanh(softplus(W0 @ [m[t], x[t], h[t-1]] + b1))),
    Eq(s[t], tanh(r[t] * x[t] + tanh(W0 @ [x[t], r[t], h[t-1]]))),
    Eq(u[t], tanh(m[t] + m[t])),
    Eq(h[t], h[t-1] * sigma(W2 @ [m[t], r[t]] + b3) + c4 * h[t-1]),
)
