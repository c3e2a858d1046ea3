"""Multiplicative LSTM, first code: linear candidate, squashing after the gate.

Family: LSTM
Year: 2016
Source: B. Krause, L. Lu, I. Murray, S. Renals, "Multiplicative LSTM for Sequence Modelling", ICLR
workshop 2017 (arXiv:1609.07959), numbers unconfirmed; the form of the first experiments.
Status: AUTHORS: matlab/mLSTMhutter.m of benkrause/mLSTM.
Disagreement: the authors' other code is `multiplicative_lstm`.
"""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

m, i, f, o, h_hat, c, h, x, W_mx, W_mh = symbols("m i f o h_hat c h x W_mx W_mh")
W_i, U_i, b_i, W_f, U_f, b_f = symbols("W_i U_i b_i W_f U_f b_f")
W_o, U_o, b_o, W_h, U_h, b_h = symbols("W_o U_o b_o W_h U_h b_h")

multiplicative_lstm_first = Cell(
    "multiplicative_lstm_first",
    Eq(m[t], (W_mx @ x[t]) * (W_mh @ h[t-1])),
    Eq(i[t], sigma(W_i @ x[t] + U_i @ m[t] + b_i)),
    Eq(f[t], sigma(W_f @ x[t] + U_f @ m[t] + b_f)),
    Eq(o[t], sigma(W_o @ x[t] + U_o @ m[t] + b_o)),
    Eq(h_hat[t], W_h @ x[t] + U_h @ m[t]),
    Eq(c[t], f[t] * c[t-1] + i[t] * h_hat[t]),
    Eq(h[t], tanh(c[t] * o[t] + b_h)),
)
