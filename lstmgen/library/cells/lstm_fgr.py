"""LSTM with full gate recurrence: each gate sees all gates of the step before.

Family: LSTM
Year: 2017
Source: K. Greff, R. Srivastava, J. Koutník, B. Steunebrink, J. Schmidhuber, "LSTM: A Search Space
Odyssey", IEEE TNNLS 28(10), 2017 (arXiv:1503.04069), variant FGR; unnumbered.
Status: IMPL (debajyotidatta/RecurrentArchitectures): that the gates' values recur, not their
pre-activations, rests on that port; the nine additional matrices are quoted in several notes.
AUTHORS for the vanilla cell (IDSIA/brainstorm).
"""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

z, i, f, c, o, y, x = symbols("z i f c o y x")
W_z, R_z, b_z = symbols("W_z R_z b_z")
W_i, R_i, p_i, b_i = symbols("W_i R_i p_i b_i")
W_f, R_f, p_f, b_f = symbols("W_f R_f p_f b_f")
W_o, R_o, p_o, b_o = symbols("W_o R_o p_o b_o")
R_ii, R_fi, R_oi, R_if, R_ff, R_of, R_io, R_fo, R_oo = symbols(
    "R_ii R_fi R_oi R_if R_ff R_of R_io R_fo R_oo"
)

lstm_fgr = Cell(
    "lstm_fgr",
    Eq(z[t], tanh(W_z @ x[t] + R_z @ y[t-1] + b_z)),
    Eq(
        i[t],
        sigma(
            W_i @ x[t] + R_i @ y[t-1] + p_i * c[t-1]
            + R_ii @ i[t-1] + R_fi @ f[t-1] + R_oi @ o[t-1] + b_i
        ),
    ),
    Eq(
        f[t],
        sigma(
            W_f @ x[t] + R_f @ y[t-1] + p_f * c[t-1]
            + R_if @ i[t-1] + R_ff @ f[t-1] + R_of @ o[t-1] + b_f
        ),
    ),
    Eq(c[t], z[t] * i[t] + c[t-1] * f[t]),
    Eq(
        o[t],
        sigma(
            W_o @ x[t] + R_o @ y[t-1] + p_o * c[t]
            + R_io @ i[t-1] + R_fo @ f[t-1] + R_oo @ o[t-1] + b_o
        ),
    ),
    Eq(y[t], tanh(c[t]) * o[t]),
    output="y",
)
