"""NumPy module: wrong d."""

from lstmgen import Cell, Eq, symbols, t, tanh

u, x, h, W0, W1, c2, c3 = symbols("u x h W0 W1 c2 c3")

cell = Cell(
    "cell_07",
    Eq(u[t], tanh(u[t-1] * x[t])),
    Eq(h[t], tanh(tanh(W0 @ [u[t], u[t-1]]) + tanh(W1 @ [h[t-1]])) + c2 * h[t-1] + c3 * u[t-1]),
)
