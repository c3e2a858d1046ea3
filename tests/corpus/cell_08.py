"""NumPy module: wrong d."""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

u, W0, x, h, W1, b2, W3, c4, c5 = symbols("u W0 x h W1 b2 W3 c4 c5")

cell = Cell(
    "cell_08",
    Eq(u[t], tanh(W0 @ [u[t-1], x[t]])),
    Eq(h[t], (1 - tanh(W1 @ [x[t], u[t-1], h[t-1]] + b2)) * u[t] + sigma(W3 @ [u[t-1], u[t]]) + c4 * h[t-1] + c5 * u[t-1]),
)
