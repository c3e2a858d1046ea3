from lstmgen import Cell, Eq, Max, sigma, symbols, t

z, h, x, W = symbols("z h x W")

cell = Cell(
    "cell",
    Eq(z[t], sigma(W @ [x[t], h[t - 1]])),
    Eq(h[t], Max(z[t], h[t - 1])),
)
