"""Two gates over the same vectors, one of them at t-1 and one at t."""

from lstmgen import Cell, Eq, sigma, symbols, t

f, A, C, h, x, o, B, g, G = symbols("f A C h x o B g G")

cell = Cell(
    "readout_two_gates",
    Eq(f[t], sigma(A @ [C[t-1], h[t-1]])),
    Eq(C[t], f[t] * C[t-1] + x[t]),
    Eq(o[t], sigma(B @ [C[t], h[t-1]])),
    Eq(g[t], sigma(G @ [C[t-1], h[t-1]])),
    Eq(h[t], o[t] * g[t]),
)
