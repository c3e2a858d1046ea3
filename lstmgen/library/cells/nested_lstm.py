"""Nested LSTM: the cell state is computed by an inner LSTM.

Family: LSTM
Year: 2017
Source: J. Moniz, D. Krueger, "Nested LSTMs", ACML 2017 (arXiv:1801.10308), depth 2, numbers
unconfirmed.
Status: IMPL, two agree (hannw/nlstm and a PyTorch port). The outer candidate is not squashed, by
default in hannw/nlstm, which says that this is the paper's choice.
Disagreement: the PyTorch port squashes it with tanh; titu1994/Nested-LSTM adds i and the
candidate instead of multiplying them.
"""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

i, f, o, x_tilde, h_tilde, c, h, x = symbols("i f o x_tilde h_tilde c h x")
i_tilde, f_tilde, o_tilde, c_tilde = symbols("i_tilde f_tilde o_tilde c_tilde")
W_i, U_i, b_i, W_f, U_f, b_f = symbols("W_i U_i b_i W_f U_f b_f")
W_o, U_o, b_o, W_c, U_c, b_c = symbols("W_o U_o b_o W_c U_c b_c")
V_i, R_i, d_i, V_f, R_f, d_f = symbols(
    "W_tilde_i U_tilde_i b_tilde_i W_tilde_f U_tilde_f b_tilde_f"
)
V_o, R_o, d_o, V_c, R_c, d_c = symbols(
    "W_tilde_o U_tilde_o b_tilde_o W_tilde_c U_tilde_c b_tilde_c"
)

nested_lstm = Cell(
    "nested_lstm",
    Eq(i[t], sigma(W_i @ x[t] + U_i @ h[t-1] + b_i)),
    Eq(f[t], sigma(W_f @ x[t] + U_f @ h[t-1] + b_f)),
    Eq(o[t], sigma(W_o @ x[t] + U_o @ h[t-1] + b_o)),
    Eq(x_tilde[t], i[t] * (W_c @ x[t] + U_c @ h[t-1] + b_c)),
    Eq(h_tilde[t], f[t] * c[t-1]),
    Eq(i_tilde[t], sigma(V_i @ x_tilde[t] + R_i @ h_tilde[t] + d_i)),
    Eq(f_tilde[t], sigma(V_f @ x_tilde[t] + R_f @ h_tilde[t] + d_f)),
    Eq(o_tilde[t], sigma(V_o @ x_tilde[t] + R_o @ h_tilde[t] + d_o)),
    Eq(
        c_tilde[t],
        f_tilde[t] * c_tilde[t-1]
        + i_tilde[t] * tanh(V_c @ x_tilde[t] + R_c @ h_tilde[t] + d_c),
    ),
    Eq(c[t], o_tilde[t] * tanh(c_tilde[t])),
    Eq(h[t], o[t] * tanh(c[t])),
)
