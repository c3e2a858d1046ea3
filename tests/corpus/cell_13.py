"""NumPy module: wrong y."""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

s, g0, x, u, W1, b2, W3, b4, h, c5 = symbols("s g0 x u W1 b2 W3 b4 h c5")

cell = Cell(
    "cell_13",
    Eq(s[t], tanh(g0 * x[t])),
    Eq(u[t], s[t] * sigma(W1 @ [x[t], s[t-1], s[t]] + b2) + W3 @ [s[t-1], s[t]] + b4),
    Eq(h[t], tanh(u[t] * tanh(W1 @ [s[t-1], x[t], s[t]])) + c5 * s[t-1]),
)
