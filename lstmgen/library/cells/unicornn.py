"""UnICORNN: independent undamped oscillators, a step that can be inverted.

Family: Differential
Year: 2021
Source: T. K. Rusch, S. Mishra, "UnICORNN: A Recurrent Model for Learning Very Long Time
Dependencies", ICML 2021 (arXiv:2103.05487), number unconfirmed.
Status: AUTHORS (tk-rusch/unicornn, kernel unicornn_fwd); torchrecurrent agrees. One layer; x is
the output of the layer below. Deltat and alpha are hyperparameters there.
"""

from lstmgen import Cell, Eq, scalars, sigma, symbols, t, tanh

z, y, x, w, V, b, c = symbols("z y x w V b c")
Deltat, alpha = scalars("Deltat alpha")

unicornn = Cell(
    "unicornn",
    Eq(z[t], z[t-1] - Deltat * sigma(c) * (tanh(w * y[t-1] + V @ x[t] + b) + alpha * y[t-1])),
    Eq(y[t], y[t-1] + Deltat * sigma(c) * z[t]),
    output="y",
)
