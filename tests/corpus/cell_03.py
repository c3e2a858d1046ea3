"""NumPy module: ValueError."""

from lstmgen import Cell, Eq, relu, sigma, symbols, t, tanh

s, W0, x, u, W1, h, c2 = symbols("s W0 x u W1 h c2")

cell = Cell(
    "cell_03",
    Eq(s[t], tanh(relu(W0 @ [x[t]]))),
    Eq(u[t], tanh(sigma(W1 @ [u[t-1], s[t], x[t]]))),
    Eq(h[t], tanh(u[t]) + c2 * u[t-1]),
)
