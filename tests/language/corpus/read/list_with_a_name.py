from lstmgen import Cell, Eq, sigma, symbols, t, tanh

h, x, z, A, a, B = symbols("h x z A a B")

cell = Cell(
    "cell",
    Eq(z[t], sigma(A @ [h[t - 1], x[t]] + a)),
    Eq(h[t], z[t] * h[t - 1] + (1 - z[t]) * tanh(B @ [h[t - 1], x[t]])),
)
