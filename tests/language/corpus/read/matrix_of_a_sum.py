from lstmgen import Cell, Eq, symbols, t, tanh

h, x, U, A = symbols("h x U A")

cell = Cell(
    "cell",
    Eq(h[t], tanh(U @ [x[t] + 2 * h[t - 1]] + (A @ x[t]) / 2)),
)
