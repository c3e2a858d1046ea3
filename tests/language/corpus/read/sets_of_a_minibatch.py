from lstmgen import Cell, Eq, sigma, symbols, t, tanh

Z, H, X, W_xz, W_hz, b_z, W_xh = symbols("Z H X W_xz W_hz b_z W_xh")

cell = Cell(
    "cell",
    Eq(Z[t], sigma(W_xz.T @ X[t] + W_hz.T @ H[t - 1] + b_z)),
    Eq(H[t], Z[t] * H[t - 1] + (1 - Z[t]) * tanh(W_xh.T @ X[t])),
    output="H",
)
