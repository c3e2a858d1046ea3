"""NumPy module: NameError."""

from lstmgen import Cell, Eq, relu, sigma, symbols, t, tanh

s, W0, x, b1, u, W2, h, W3, W4, b5, c6 = symbols("s W0 x b1 u W2 h W3 W4 b5 c6")

cell = Cell(
    "cell_01",
    Eq(s[t], tanh(relu(W0 @ [x[t], s[t-1]] + b1))),
    Eq(u[t], tanh(W2 @ [x[t], s[t]])),
    Eq(h[t], tanh(x[t] * sigma(W3 @ [u[t], s[t-1], x[t]]) + u[t] * sigma(W4 @ [s[t-1], x[t]] + b5)) + c6 * s[t-1]),
)
