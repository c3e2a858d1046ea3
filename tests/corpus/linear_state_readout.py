"""A linear state and a readout behind the loop."""

from lstmgen import Cell, Eq, symbols, t, tanh

C, x, h, A = symbols("C x h A")

cell = Cell(
    "linear_state_readout",
    Eq(C[t], C[t-1] + x[t]),
    Eq(h[t], tanh(A @ C[t])),
)
