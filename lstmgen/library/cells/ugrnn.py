"""Update-gate RNN: one gate blends the old state with a tanh layer.

Family: GRU
Year: 2017
Source: J. Collins, J. Sohl-Dickstein, D. Sussillo, "Capacity and Trainability in Recurrent Neural
Networks", ICLR 2017 (arXiv:1611.09913), equations (2)-(4), with s = tanh.
Status: PAPER; TensorFlow's UGRNNCell agrees, with b_fg = 1. In the paper b_fg is a tuned
constant; here it is a scalar parameter.
"""

from lstmgen import Cell, Eq, scalars, sigma, symbols, t, tanh

c, g, h, x, W_c, U_c, b_c, W_g, U_g, b_g = symbols("c g h x W_c U_c b_c W_g U_g b_g")
b_fg = scalars("b_fg")

ugrnn = Cell(
    "ugrnn",
    Eq(c[t], tanh(W_c @ x[t] + U_c @ h[t-1] + b_c)),
    Eq(g[t], sigma(W_g @ x[t] + U_g @ h[t-1] + b_g + b_fg)),
    Eq(h[t], g[t] * h[t-1] + (1 - g[t]) * c[t]),
)
