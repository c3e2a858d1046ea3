from lstmgen import Cell, Eq, sigma, symbols, t, tanh

h, x, z, W, W_z, U_z, b, b_z = symbols("h x z W W_z U_z b b_z")

cell = Cell(
    "words_of_values",
    Eq(z[t], sigma(W_z @ [x[t]] + U_z @ [h[t - 1]] + b_z)),
    Eq(h[t], (1 - z[t]) * h[t - 1] + z[t] * tanh(W @ [x[t]] + b)),
)
