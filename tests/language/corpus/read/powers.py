from sympy import Rational

from lstmgen import Cell, Eq, exp, scalars, softplus, symbols, t

d, h, x, A, w = symbols("d h x A w")
gamma = scalars("gamma")

cell = Cell(
    "cell",
    Eq(d[t], softplus(A @ x[t])),
    Eq(
        h[t],
        gamma ** d[t] * h[t - 1] + exp(-w) * (1 - gamma ** (2 * d[t])) ** Rational(1, 2) * x[t],
    ),
)
