"""FastGRNN: gate and candidate share their matrices.

Family: GRU
Year: 2018
Source: A. Kusupati, M. Singh, K. Bhatia, A. Kumar, P. Jain, M. Varma, "FastGRNN: A Fast,
Accurate, Stable and Tiny Kilobyte Sized Gated Recurrent Neural Network", NeurIPS 2018
(arXiv:1901.02358), equation (6).
Status: PAPER, AUTHORS (microsoft/EdgeML). The scalars lie in [0, 1]; the authors train them
through a sigmoid.
"""

from lstmgen import Cell, Eq, scalars, sigma, symbols, t, tanh

z, h_tilde, h, x, W, U, b_z, b_h = symbols("z h_tilde h x W U b_z b_h")
zeta, nu = scalars("zeta nu")

fast_grnn = Cell(
    "fast_grnn",
    Eq(z[t], sigma(W @ x[t] + U @ h[t-1] + b_z)),
    Eq(h_tilde[t], tanh(W @ x[t] + U @ h[t-1] + b_h)),
    Eq(h[t], (zeta * (1 - z[t]) + nu) * h_tilde[t] + z[t] * h[t-1]),
)
