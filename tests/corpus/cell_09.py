"""NumPy module: wrong d."""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

u, W0, h, x, b1, W2, W3, d4, c5, c6 = symbols("u W0 h x b1 W2 W3 d4 c5 c6")

cell = Cell(
    "cell_09",
    Eq(u[t], tanh(tanh(W0 @ [h[t-1], x[t], u[t-1]] + b1) + tanh(W2 @ [x[t]]))),
    Eq(h[t], sigma(W3 @ [x[t], u[t-1], u[t]] + d4 * u[t]) + c5 * h[t-1] + c6 * u[t-1]),
)
