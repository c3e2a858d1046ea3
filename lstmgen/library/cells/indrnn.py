"""Independently recurrent network: each unit sees only its own state.

Family: RNN
Year: 2018
Source: S. Li, W. Li, C. Cook, C. Zhu, Y. Gao, "Independently Recurrent Neural Network (IndRNN)",
CVPR 2018 (arXiv:1803.04831), number unconfirmed [2], with ReLU as in the authors' code.
Status: AUTHORS (Sunnydreamrain/IndRNN_pytorch); batzner/indrnn, haste and torchrecurrent agree.
"""

from lstmgen import Cell, Eq, relu, symbols, t

h, x, W, u, b = symbols("h x W u b")

indrnn = Cell(
    "indrnn",
    Eq(h[t], relu(W @ x[t] + u * h[t-1] + b)),
)
