"""Long short-term memory with forget gate.

Family: LSTM
Year: 2000
Source: C. Olah, "Understanding LSTM Networks" (2015), step-by-step walk through; F. Gers,
J. Schmidhuber, F. Cummins, "Learning to Forget", Neural Computation 12(10), 2000.
"""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

f, i, C_tilde, C, o, h, x = symbols("f i C_tilde C o h x")
W_f, W_i, W_C, W_o, b_f, b_i, b_C, b_o = symbols("W_f W_i W_C W_o b_f b_i b_C b_o")

lstm = Cell(
    "lstm",
    Eq(f[t], sigma(W_f @ [h[t-1], x[t]] + b_f)),
    Eq(i[t], sigma(W_i @ [h[t-1], x[t]] + b_i)),
    Eq(C_tilde[t], tanh(W_C @ [h[t-1], x[t]] + b_C)),
    Eq(C[t], f[t] * C[t-1] + i[t] * C_tilde[t]),
    Eq(o[t], sigma(W_o @ [h[t-1], x[t]] + b_o)),
    Eq(h[t], o[t] * tanh(C[t])),
)
