"""LSTM with coupled forget and input gates: it forgets only where it writes.

Family: LSTM
Year: 2015
Source: C. Olah, "Understanding LSTM Networks" (2015), variants.
"""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

f, C_tilde, C, o, h, x = symbols("f C_tilde C o h x")
W_f, W_C, W_o, b_f, b_C, b_o = symbols("W_f W_C W_o b_f b_C b_o")

coupled = Cell(
    "coupled",
    Eq(f[t], sigma(W_f @ [h[t-1], x[t]] + b_f)),
    Eq(C_tilde[t], tanh(W_C @ [h[t-1], x[t]] + b_C)),
    Eq(C[t], f[t] * C[t-1] + (1 - f[t]) * C_tilde[t]),
    Eq(o[t], sigma(W_o @ [h[t-1], x[t]] + b_o)),
    Eq(h[t], o[t] * tanh(C[t])),
)
