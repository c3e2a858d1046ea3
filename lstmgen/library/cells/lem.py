"""Long expressive memory: two gates are learned step sizes of a differential equation.

Family: Differential
Year: 2022
Source: T. K. Rusch, S. Mishra, N. B. Erichson, M. Mahoney, "Long Expressive Memory for Sequence
Modeling", ICLR 2022 (arXiv:2110.04744), equation (3), number unconfirmed.
Status: AUTHORS (tk-rusch/LEM, also its CUDA kernel). d and d_bar are the paper's steps at n; the
scalar Deltat is a hyperparameter there.
Disagreement: the code of torchrecurrent and of RecurrentLayers.jl uses the old z in the last
line.
"""

from lstmgen import Cell, Eq, scalars, sigma, symbols, t, tanh

d, d_bar, z, y, x = symbols("d d_bar z y x")
W_1, V_1, b_1, W_2, V_2, b_2 = symbols("W_1 V_1 b_1 W_2 V_2 b_2")
W_z, V_z, b_z, W_y, V_y, b_y = symbols("W_z V_z b_z W_y V_y b_y")
Deltat = scalars("Deltat")

lem = Cell(
    "lem",
    Eq(d[t], Deltat * sigma(W_1 @ y[t-1] + V_1 @ x[t] + b_1)),
    Eq(d_bar[t], Deltat * sigma(W_2 @ y[t-1] + V_2 @ x[t] + b_2)),
    Eq(z[t], (1 - d[t]) * z[t-1] + d[t] * tanh(W_z @ y[t-1] + V_z @ x[t] + b_z)),
    Eq(y[t], (1 - d_bar[t]) * y[t-1] + d_bar[t] * tanh(W_y @ z[t] + V_y @ x[t] + b_y)),
    output="y",
)
