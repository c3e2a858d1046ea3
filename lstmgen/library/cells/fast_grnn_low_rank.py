"""FastGRNN with matrices of low rank: W = W_1 W_2^T, U = U_1 U_2^T.

Family: GRU
Year: 2018
Source: A. Kusupati, M. Singh, K. Bhatia, A. Kumar, P. Jain, M. Varma, "FastGRNN: A Fast,
Accurate, Stable and Tiny Kilobyte Sized Gated Recurrent Neural Network", NeurIPS 2018
(arXiv:1901.02358), equations (6) and (7).
Status: PAPER, AUTHORS (microsoft/EdgeML). The scalars lie in [0, 1]; the authors train them
through a sigmoid. The ranks are the sizes P of the input's and Q of the state's factor.
"""

from lstmgen import Cell, Eq, scalars, sigma, symbols, t, tanh

p, q, z, h_tilde, h, x, W_1, W_2, U_1, U_2, b_z, b_h = symbols(
    "p q z h_tilde h x W_1 W_2 U_1 U_2 b_z b_h"
)
zeta, nu = scalars("zeta nu")

fast_grnn_low_rank = Cell(
    "fast_grnn_low_rank",
    Eq(p[t], W_2.T @ x[t]),
    Eq(q[t], U_2.T @ h[t-1]),
    Eq(z[t], sigma(W_1 @ p[t] + U_1 @ q[t] + b_z)),
    Eq(h_tilde[t], tanh(W_1 @ p[t] + U_1 @ q[t] + b_h)),
    Eq(h[t], (zeta * (1 - z[t]) + nu) * h_tilde[t] + z[t] * h[t-1]),
    sizes={"p": "P", "q": "Q"},
)
