"""CuPy: a state whose name the tape uses itself."""

from lstmgen import Cell, Eq, symbols, t

steps, W, x = symbols("steps W x")

cell = Cell(
    "state_called_steps",
    Eq(steps[t], W @ [steps[t-1], x[t]]),
    output='steps',
)
