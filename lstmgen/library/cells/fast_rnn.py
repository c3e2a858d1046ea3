"""FastRNN: a plain network with a weighted residual connection.

Family: RNN
Year: 2018
Source: A. Kusupati, M. Singh, K. Bhatia, A. Kumar, P. Jain, M. Varma, "FastGRNN: A Fast,
Accurate, Stable and Tiny Kilobyte Sized Gated Recurrent Neural Network", NeurIPS 2018
(arXiv:1901.02358), equation (2).
Status: PAPER, AUTHORS (microsoft/EdgeML). The scalars lie in [0, 1]; the authors train them
through a sigmoid.
"""

from lstmgen import Cell, Eq, scalars, sigma, symbols, t

h_tilde, h, x, W, U, b = symbols("h_tilde h x W U b")
alpha, beta = scalars("alpha beta")

fast_rnn = Cell(
    "fast_rnn",
    Eq(h_tilde[t], sigma(W @ x[t] + U @ h[t-1] + b)),
    Eq(h[t], alpha * h_tilde[t] + beta * h[t-1]),
)
