"""NumPy module: wrong d."""

from lstmgen import Cell, Eq, sigma, softplus, symbols, t, tanh

u, h, W0, x, b1, W2, b3, W4, c5, c6 = symbols("u h W0 x b1 W2 b3 W4 c5 c6")

cell = Cell(
    "cell_10",
    Eq(u[t], tanh(h[t-1] * softplus(W0 @ [x[t]] + b1) + (1 - sigma(W2 @ [h[t-1], u[t-1]] + b3)) * x[t])),
    Eq(h[t], tanh(x[t]) + tanh(W4 @ [u[t], h[t-1], x[t]]) + c5 * h[t-1] + c6 * u[t-1]),
)
