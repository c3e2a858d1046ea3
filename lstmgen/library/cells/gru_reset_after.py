"""Gated recurrent unit, reset gate after the product: the form of cuDNN, PyTorch and Keras.

Family: GRU
Year: 2014
Source: K. Cho et al., arXiv:1406.1078v1 (2014); torch.nn.GRU, keras.layers.GRU(reset_after=True).
Here z keeps the old state, as in those libraries and unlike in the cell `gru`.
"""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

r, z, n, h, x = symbols("r z n h x")
W_r, W_z, W_n, U_n, b_r, b_z, b_n, c_n = symbols("W_r W_z W_n U_n b_r b_z b_n c_n")

gru_reset_after = Cell(
    "gru_reset_after",
    Eq(r[t], sigma(W_r @ [h[t-1], x[t]] + b_r)),
    Eq(z[t], sigma(W_z @ [h[t-1], x[t]] + b_z)),
    Eq(n[t], tanh(W_n @ [x[t]] + b_n + r[t] * (U_n @ [h[t-1]] + c_n))),
    Eq(h[t], (1 - z[t]) * n[t] + z[t] * h[t-1]),
)
