"""Coupled oscillatory network: damped, driven oscillators, explicit time step.

Family: Differential
Year: 2021
Source: T. K. Rusch, S. Mishra, "Coupled Oscillatory Recurrent Neural Network", ICLR 2021
(arXiv:2010.00951), equation (3), number from a review page.
Status: AUTHORS (tk-rusch/coRNN, all of its models are explicit), RUN. The three scalars are
hyperparameters there.
Disagreement: the docstring of torchrecurrent, not its code, damps implicitly with epsilon z_n.
"""

from lstmgen import Cell, Eq, scalars, symbols, t, tanh

z, y, x, W, W_mathcal, V, b = symbols("z y x W W_mathcal V b")
Deltat, gamma, epsilon = scalars("Deltat gamma epsilon")

cornn = Cell(
    "cornn",
    Eq(
        z[t],
        z[t-1] + Deltat * (
            tanh(W @ y[t-1] + W_mathcal @ z[t-1] + V @ x[t] + b)
            - gamma * y[t-1] - epsilon * z[t-1]
        ),
    ),
    Eq(y[t], y[t-1] + Deltat * z[t]),
    output="y",
)
