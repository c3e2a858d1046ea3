"""A cell all of whose names are those that modules use themselves."""

from lstmgen import Cell, Eq, scalars, sigma, symbols, t, tanh

tape, np, state, dy, self, params, T = symbols("tape np state dy self params T")
range = scalars("range")

cell = Cell(
    "names_of_python",
    Eq(tape[t], sigma(np @ [state[t-1], tape[t-1], dy[t]] + self)),
    Eq(params[t], tape[t-1] * state[t-1]),
    Eq(state[t], tape[t] * state[t-1] + tanh(T @ params[t]) * range),
    output='state',
)
