from lstmgen import Cell, Eq, sigma, symbols, t, tanh

h, x, z, A, B, a, C, c = symbols("h x z A B a C c")

cell = Cell(
    "cell",
    Eq(z[t], sigma(A @ x[t] + B @ h[t - 1] + a)),
    Eq(h[t], (1 - z[t]) * h[t - 1] + z[t] * tanh(C @ x[t] + c)),
)
