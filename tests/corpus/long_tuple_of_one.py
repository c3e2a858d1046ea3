"""CuPy: a tuple of one that was broken over lines lost its comma."""

from lstmgen import Cell, Eq, Max, scalars, sigma, symbols, t

isinstance, W1, W0, v2, dW, b, a, range, alpha, after = symbols("isinstance W1 W0 v2 dW b a range alpha after")
c1 = scalars("c1")

cell = Cell(
    "long_tuple_of_one",
    Eq(isinstance[t], W1[t-1] + W1[t-1] / (1 + W1[t-1] ** 2)),
    Eq(W1[t], sigma(W0 @ [isinstance[t-1] - v2[t-1], isinstance[t], dW[t]] + W0 @ [isinstance[t-1], isinstance[t], dW[t]] + b)),
    Eq(v2[t], -(a * Max(dW[t] + dW[t], dW[t] * dW[t], 0.5))),
    Eq(range[t], Max(alpha @ [isinstance[t], isinstance[t-1]], c1 + range[t-1]) * (after - range[t-1])),
    output='range',
)
