"""LSTM without forget gate: the cell state adds up and never decays.

Family: LSTM
Year: 1997
Source: S. Hochreiter, J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997,
equations (3)-(9) of Appendix A.1.
Status: PAPER. The paper is more general (gate-to-gate links, hidden units, gates shared by a
block); these are its equations for blocks of one cell, without those links, and with a bias.
Disagreement: modern ports take tanh for both squashing functions, here 4 sigma(a) - 2 and 2
sigma(a) - 1 as in the paper.
"""

from lstmgen import Cell, Eq, sigma, symbols, t

i, o, g, c, h, x = symbols("i o g c h x")
W_i, U_i, b_i, W_o, U_o, b_o, W_g, U_g, b_g = symbols("W_i U_i b_i W_o U_o b_o W_g U_g b_g")

lstm_1997 = Cell(
    "lstm_1997",
    Eq(i[t], sigma(W_i @ x[t] + U_i @ h[t-1] + b_i)),
    Eq(o[t], sigma(W_o @ x[t] + U_o @ h[t-1] + b_o)),
    Eq(g[t], 4 * sigma(W_g @ x[t] + U_g @ h[t-1] + b_g) - 2),
    Eq(c[t], c[t-1] + i[t] * g[t]),
    Eq(h[t], o[t] * (2 * sigma(c[t]) - 1)),
)
