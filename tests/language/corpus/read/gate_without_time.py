from lstmgen import Cell, Eq, sigma, symbols, t, tanh

Gamma, h, x, A, B, C = symbols("Gamma h x A B C")

cell = Cell(
    "cell",
    Eq(Gamma[t], sigma(A @ x[t] + B @ h[t - 1])),
    Eq(h[t], Gamma[t] * h[t - 1] + (1 - Gamma[t]) * tanh(C @ x[t])),
)
