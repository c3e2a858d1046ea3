"""LSTM with a recurrent projection and no peepholes: PyTorch's proj_size.

Family: LSTM
Year: 2014
Source: H. Sak, A. Senior, F. Beaufays, "Long Short-Term Memory Recurrent Neural Network
Architectures for Large Scale Acoustic Modeling", Interspeech 2014 (and arXiv:1402.1128), as
torch.nn.LSTM(proj_size=P) computes it.
Status: RUN: torch agrees. torch calls r h, and W_hr what is W_rm here; it has no bias, and 0 < P
< H.
"""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

i, f, g, o, c, m, r, x = symbols("i f g o c m r x")
W_i, U_i, b_i, W_f, U_f, b_f = symbols("W_i U_i b_i W_f U_f b_f")
W_g, U_g, b_g, W_o, U_o, b_o, W_rm = symbols("W_g U_g b_g W_o U_o b_o W_rm")

lstm_projected = Cell(
    "lstm_projected",
    Eq(i[t], sigma(W_i @ x[t] + U_i @ r[t-1] + b_i)),
    Eq(f[t], sigma(W_f @ x[t] + U_f @ r[t-1] + b_f)),
    Eq(g[t], tanh(W_g @ x[t] + U_g @ r[t-1] + b_g)),
    Eq(o[t], sigma(W_o @ x[t] + U_o @ r[t-1] + b_o)),
    Eq(c[t], f[t] * c[t-1] + i[t] * g[t]),
    Eq(m[t], o[t] * tanh(c[t])),
    Eq(r[t], W_rm @ m[t]),
    output="r",
    sizes={"r": "P"},
)
