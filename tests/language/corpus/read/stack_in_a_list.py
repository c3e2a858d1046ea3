from lstmgen import Cell, Eq, sigma, symbols, t, tanh

a, n, h, x, W_a, b_a, W_n, b_n = symbols("a n h x W_a b_a W_n b_n")

cell = Cell(
    "cell",
    Eq(a[t], W_a @ [h[t - 1], x[t]] + b_a),
    Eq(n[t], W_n @ [h[t - 1], x[t]] + b_n),
    Eq(h[t], sigma(a[t]) * h[t - 1] + (1 - sigma(a[t])) * tanh(n[t])),
)
