"""LSTM with a recurrent projection: the smaller r, not the output m, recurs.

Family: LSTM
Year: 2014
Source: H. Sak, A. Senior, F. Beaufays, "Long Short-Term Memory Recurrent Neural Network
Architectures for Large Scale Acoustic Modeling", Interspeech 2014 (and arXiv:1402.1128), numbers
unconfirmed [7-13].
Status: IMPL: notes on both papers. The output layer, y = W_yr r + b_y, is left to the user.
Disagreement: the arXiv text has a second projection that does not recur, and prints the diagonal
peepholes as products; PyTorch's proj_size has no peepholes (`lstm_projected`).
"""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

i, f, c, o, m, r, x, W_i, U_i, p_i, b_i = symbols("i f c o m r x W_i U_i p_i b_i")
W_f, U_f, p_f, b_f, W_c, U_c, b_c = symbols("W_f U_f p_f b_f W_c U_c b_c")
W_o, U_o, p_o, b_o, W_rm = symbols("W_o U_o p_o b_o W_rm")

lstmp = Cell(
    "lstmp",
    Eq(i[t], sigma(W_i @ x[t] + U_i @ r[t-1] + p_i * c[t-1] + b_i)),
    Eq(f[t], sigma(W_f @ x[t] + U_f @ r[t-1] + p_f * c[t-1] + b_f)),
    Eq(c[t], f[t] * c[t-1] + i[t] * tanh(W_c @ x[t] + U_c @ r[t-1] + b_c)),
    Eq(o[t], sigma(W_o @ x[t] + U_o @ r[t-1] + p_o * c[t] + b_o)),
    Eq(m[t], o[t] * tanh(c[t])),
    Eq(r[t], W_rm @ m[t]),
    output="r",
    sizes={"r": "P"},
)
