"""Antisymmetric RNN with an input gate that shares its matrix.

Family: Differential
Year: 2019
Source: B. Chang, M. Chen, E. Haber, E. Chi, "AntisymmetricRNN: A Dynamical System View on
Recurrent Neural Networks", ICLR 2019 (arXiv:1902.09689), equation (13).
Status: PAPER, RUN (torchrecurrent, whose defaults gamma = 0, epsilon = 1 are not the paper's). s
is A h with A = W - W^T - gamma I.
"""

from lstmgen import Cell, Eq, scalars, sigma, symbols, t, tanh

s, z, h, x, W_h, V_z, b_z, V_h, b_h = symbols("s z h x W_h V_z b_z V_h b_h")
epsilon, gamma = scalars("epsilon gamma")

antisymmetric_gated = Cell(
    "antisymmetric_gated",
    Eq(s[t], W_h @ h[t-1] - W_h.T @ h[t-1] - gamma * h[t-1]),
    Eq(z[t], sigma(s[t] + V_z @ x[t] + b_z)),
    Eq(h[t], h[t-1] + epsilon * z[t] * tanh(s[t] + V_h @ x[t] + b_h)),
)
