"""LSTM with diagonal peepholes: each unit's gates see its own cell state.

Family: LSTM
Year: 2002
Source: F. Gers, N. Schraudolph, J. Schmidhuber, "Learning Precise Timing with LSTM Recurrent
Networks", JMLR 3, 2002; A. Graves, arXiv:1308.0850 (2013), equations (7)-(11).
Status: IMPL: notes on both papers and several implementations (brainstorm, torchrecurrent).
Disagreement: Gers 2002 has no output squashing (h = o c) and an identity input squashing; Graves
prints the diagonal matrices as W_ci c.
"""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

i, f, c, o, h, x, W_i, U_i, p_i, b_i = symbols("i f c o h x W_i U_i p_i b_i")
W_f, U_f, p_f, b_f, W_c, U_c, b_c = symbols("W_f U_f p_f b_f W_c U_c b_c")
W_o, U_o, p_o, b_o = symbols("W_o U_o p_o b_o")

peephole_diagonal = Cell(
    "peephole_diagonal",
    Eq(i[t], sigma(W_i @ x[t] + U_i @ h[t-1] + p_i * c[t-1] + b_i)),
    Eq(f[t], sigma(W_f @ x[t] + U_f @ h[t-1] + p_f * c[t-1] + b_f)),
    Eq(c[t], f[t] * c[t-1] + i[t] * tanh(W_c @ x[t] + U_c @ h[t-1] + b_c)),
    Eq(o[t], sigma(W_o @ x[t] + U_o @ h[t-1] + p_o * c[t] + b_o)),
    Eq(h[t], o[t] * tanh(c[t])),
)
