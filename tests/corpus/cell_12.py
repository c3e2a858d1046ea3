"""NumPy module: wrong y."""

from lstmgen import Cell, Eq, relu, sigma, symbols, t, tanh

u, g0, x, m, h, W1, W2, W3, b4, c5, c6 = symbols("u g0 x m h W1 W2 W3 b4 c5 c6")

cell = Cell(
    "cell_12",
    Eq(u[t], g0 * x[t] + tanh(m[t])),
    Eq(h[t], tanh(sigma(W1 @ [m[t], x[t], u[t]]) + sigma(W2 @ [u[t]]) + relu(W3 @ [x[t], u[t]] + b4)) + c5 * h[t-1] + c6 * u[t-1]),
)
