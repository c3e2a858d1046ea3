"""Lipschitz RNN: an Euler step with matrices between symmetric and antisymmetric.

Family: Differential
Year: 2021
Source: N. B. Erichson, O. Azencot, A. Queiruga, L. Hodgkinson, M. Mahoney, "Lipschitz Recurrent
Neural Networks", ICLR 2021 (arXiv:2006.12070), number unconfirmed.
Status: AUTHORS (erichson/LipschitzRNN); torchrecurrent agrees. a is A h and w is W h, written
out; the scalars are hyperparameters there.
Disagreement: other ports give A and W a gamma each, one also a beta each.
"""

from lstmgen import Cell, Eq, scalars, symbols, t, tanh

a, w, h, x, M_A, M_W, U, b = symbols("a w h x M_A M_W U b")
beta, gamma, epsilon = scalars("beta gamma epsilon")

lipschitz = Cell(
    "lipschitz",
    Eq(
        a[t],
        (1 - beta) * (M_A @ h[t-1] + M_A.T @ h[t-1])
        + beta * (M_A @ h[t-1] - M_A.T @ h[t-1]) - gamma * h[t-1],
    ),
    Eq(
        w[t],
        (1 - beta) * (M_W @ h[t-1] + M_W.T @ h[t-1])
        + beta * (M_W @ h[t-1] - M_W.T @ h[t-1]) - gamma * h[t-1],
    ),
    Eq(h[t], h[t-1] + epsilon * a[t] + epsilon * tanh(w[t] + U @ x[t] + b)),
)
