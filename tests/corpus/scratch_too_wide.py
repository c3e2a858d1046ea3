"""The input times a gate of itself: a scratch array of another width."""

from lstmgen import Cell, Eq, symbols, t, tanh

b, x, A, c, B, h, G = symbols("b x A c B h G")

cell = Cell(
    "scratch_too_wide",
    Eq(b[t], x[t] * tanh(A @ x[t])),
    Eq(c[t], x[t] * b[t] + tanh(B @ b[t])),
    Eq(h[t], x[t] * tanh(G @ [b[t-1], c[t]]) + b[t-1]),
)
