"""LSTM whose gates look at the cell state, with full peephole matrices.

Family: LSTM
Year: 2000
Source: C. Olah, "Understanding LSTM Networks" (2015), variants; after F. Gers, J. Schmidhuber,
"Recurrent Nets that Time and Count", IJCNN 2000, which has diagonal peepholes.
"""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

f, i, C_tilde, C, o, h, x = symbols("f i C_tilde C o h x")
W_f, W_i, W_C, W_o, b_f, b_i, b_C, b_o = symbols("W_f W_i W_C W_o b_f b_i b_C b_o")

peephole = Cell(
    "peephole",
    Eq(f[t], sigma(W_f @ [C[t-1], h[t-1], x[t]] + b_f)),
    Eq(i[t], sigma(W_i @ [C[t-1], h[t-1], x[t]] + b_i)),
    Eq(C_tilde[t], tanh(W_C @ [h[t-1], x[t]] + b_C)),
    Eq(C[t], f[t] * C[t-1] + i[t] * C_tilde[t]),
    Eq(o[t], sigma(W_o @ [C[t], h[t-1], x[t]] + b_o)),
    Eq(h[t], o[t] * tanh(C[t])),
)
