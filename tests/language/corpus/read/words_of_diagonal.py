from lstmgen import Cell, Eq, sigma, symbols, t, tanh

h, x, z, p_z, W, U, W_z, b, b_z = symbols("h x z p_z W U W_z b b_z")

cell = Cell(
    "words_of_diagonal",
    Eq(z[t], sigma(W_z @ [x[t]] + p_z * h[t - 1] + b_z)),
    Eq(h[t], (1 - z[t]) * h[t - 1] + z[t] * tanh(W @ [x[t]] + U @ [h[t - 1]] + b)),
)
