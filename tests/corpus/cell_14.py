"""NumPy module: wrong y."""

from lstmgen import Cell, Eq, relu, sigma, symbols, t, tanh

s, W0, x, b1, u, W2, b3, h, W4, b5, W6, b7, c8, c9 = symbols("s W0 x b1 u W2 b3 h W4 b5 W6 b7 c8 c9")

cell = Cell(
    "cell_14",
    Eq(s[t], tanh(sigma(W0 @ [x[t]] + b1))),
    Eq(u[t], tanh(sigma(W2 @ [s[t]] + b3))),
    Eq(h[t], tanh(relu(W4 @ [s[t], u[t]] + b5) + tanh(W6 @ [s[t], h[t-1], u[t-1]] + b7)) + c8 * h[t-1] + c9 * u[t-1]),
)
