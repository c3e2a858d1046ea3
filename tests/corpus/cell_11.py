"""NumPy module: wrong y."""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

u, x, h, W0, b1, W2, b3, W4, b5, c6, c7 = symbols("u x h W0 b1 W2 b3 W4 b5 c6 c7")

cell = Cell(
    "cell_11",
    Eq(u[t], tanh(x[t])),
    Eq(h[t], u[t-1] * sigma(W0 @ [h[t-1]] + b1) + sigma(W2 @ [u[t]] + b3) + sigma(W4 @ [x[t], u[t]] + b5) + c6 * h[t-1] + c7 * u[t-1]),
)
