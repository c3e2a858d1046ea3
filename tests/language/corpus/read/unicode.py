from lstmgen import Cell, Eq, sigma, symbols, t, tanh

z_hat, h, x, A, a, C = symbols("z_hat h x A a C")

cell = Cell(
    "cell",
    Eq(z_hat[t], sigma(A @ [h[t - 1], x[t]] + a)),
    Eq(h[t], (1 - z_hat[t]) * h[t - 1] + z_hat[t] * tanh(C @ x[t])),
)
