"""A state that does not recur, read at t and at t-1: a wrong y."""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

u, x, h, W, V, c = symbols("u x h W V c")

cell = Cell(
    "state_of_the_input",
    Eq(u[t], tanh(x[t])),
    Eq(h[t], u[t-1] * sigma(W @ [h[t-1]]) + sigma(V @ [u[t]]) + c * h[t-1]),
)
