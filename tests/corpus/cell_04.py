"""NumPy module: ValueError."""

from lstmgen import Cell, Eq, softplus, symbols, t, tanh

u, W0, x, b1, W2, d3, W4, b5, h, c6 = symbols("u W0 x b1 W2 d3 W4 b5 h c6")

cell = Cell(
    "cell_04",
    Eq(u[t], softplus(W0 @ [x[t], u[t-1]] + b1) + tanh(W2 @ [x[t]] + d3 * x[t]) + W4 @ [x[t], u[t-1]] + b5),
    Eq(h[t], tanh(x[t] * x[t] + tanh(x[t])) + c6 * u[t-1]),
)
