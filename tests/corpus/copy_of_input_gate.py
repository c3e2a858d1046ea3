"""A state that is a copy of a gate of the input, computed before the loop."""

from lstmgen import Cell, Eq, sigma, symbols, t

b, A, x, c, h = symbols("b A x c h")

cell = Cell(
    "copy_of_input_gate",
    Eq(b[t], sigma(A @ x[t])),
    Eq(c[t], b[t]),
    Eq(h[t], c[t] * h[t-1] + b[t-1]),
)
