"""A state that is zero where a value of its step is: a step later, that value is gone."""

from lstmgen import Cell, Eq, relu, sigma, sqrt, symbols, t, tanh

C, h, x, W, V, U, b = symbols("C h x W V U b")

cell = Cell(
    "vanishing_state",
    Eq(C[t], relu(W @ [x[t]] + b) * sigma(V @ [h[t-1]])),
    Eq(h[t], tanh(U @ [x[t]]) + sqrt(C[t-1])),
)
