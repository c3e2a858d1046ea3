"""CuPy: a state whose name the tape uses itself."""

from lstmgen import Cell, Eq, symbols, t, tanh

work, W, x = symbols("work W x")

cell = Cell(
    "state_called_work",
    Eq(work[t], 0.5 * work[t-1] + tanh(W @ x[t])),
    output='work',
)
