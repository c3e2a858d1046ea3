"""Antisymmetric RNN: an Euler step of a stable system, with diffusion.

Family: Differential
Year: 2019
Source: B. Chang, M. Chen, E. Haber, E. Chi, "AntisymmetricRNN: A Dynamical System View on
Recurrent Neural Networks", ICLR 2019 (arXiv:1902.09689), equation (12).
Status: PAPER. A = W - W^T - gamma I is written out; epsilon and gamma are hyperparameters there.
"""

from lstmgen import Cell, Eq, scalars, symbols, t, tanh

h, x, W_h, V_h, b_h = symbols("h x W_h V_h b_h")
epsilon, gamma = scalars("epsilon gamma")

antisymmetric = Cell(
    "antisymmetric",
    Eq(
        h[t],
        h[t-1] + epsilon * tanh(
            W_h @ h[t-1] - W_h.T @ h[t-1] - gamma * h[t-1] + V_h @ x[t] + b_h
        ),
    ),
)
