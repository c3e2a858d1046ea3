"""LSTM without output activation: the cell state is not squashed.

Family: LSTM
Year: 2017
Source: K. Greff, R. Srivastava, J. Koutník, B. Steunebrink, J. Schmidhuber, "LSTM: A Search Space
Odyssey", IEEE TNNLS 28(10), 2017 (arXiv:1503.04069), variant NOAF; unnumbered.
Status: IMPL for the variant (debajyotidatta/RecurrentArchitectures and notes), AUTHORS for the
vanilla cell it changes (IDSIA/brainstorm).
"""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

z, i, f, c, o, y, x = symbols("z i f c o y x")
W_z, R_z, b_z = symbols("W_z R_z b_z")
W_i, R_i, p_i, b_i = symbols("W_i R_i p_i b_i")
W_f, R_f, p_f, b_f = symbols("W_f R_f p_f b_f")
W_o, R_o, p_o, b_o = symbols("W_o R_o p_o b_o")

lstm_noaf = Cell(
    "lstm_noaf",
    Eq(z[t], tanh(W_z @ x[t] + R_z @ y[t-1] + b_z)),
    Eq(i[t], sigma(W_i @ x[t] + R_i @ y[t-1] + p_i * c[t-1] + b_i)),
    Eq(f[t], sigma(W_f @ x[t] + R_f @ y[t-1] + p_f * c[t-1] + b_f)),
    Eq(c[t], z[t] * i[t] + c[t-1] * f[t]),
    Eq(o[t], sigma(W_o @ x[t] + R_o @ y[t-1] + p_o * c[t] + b_o)),
    Eq(y[t], c[t] * o[t]),
    output="y",
)
