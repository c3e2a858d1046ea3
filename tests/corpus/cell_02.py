"""NumPy module: NameError."""

from lstmgen import Cell, Eq, softplus, symbols, t, tanh

r, s, W0, x, h, b1, u, W2, W3, b4, W5, b6, W7, b8, c9, c10 = symbols("r s W0 x h b1 u W2 W3 b4 W5 b6 W7 b8 c9 c10")

cell = Cell(
    "cell_02",
    Eq(r[t], tanh(r[t-1])),
    Eq(s[t], tanh(W0 @ [r[t], x[t], h[t-1]] + b1)),
    Eq(u[t], tanh(W2 @ [r[t-1]] + h[t-1] * tanh(W3 @ [h[t-1], s[t], x[t]] + b4) + (1 - softplus(W5 @ [x[t]] + b6)) * x[t])),
    Eq(h[t], tanh(W7 @ [r[t]] + b8) + c9 * h[t-1] + c10 * r[t-1]),
)
