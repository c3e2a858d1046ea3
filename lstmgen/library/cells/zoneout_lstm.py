"""LSTM with zoneout: masks, given as inputs, keep units at their old value.

Family: LSTM
Year: 2017
Source: D. Krueger et al., "Zoneout: Regularizing RNNs by Randomly Preserving Hidden Activations",
ICLR 2017 (arXiv:1606.01305), section 3.2, unnumbered.
Status: PAPER, AUTHORS (teganmaharaj/zoneout). A mask is 1 where the old value stays, Bernoulli in
training; give the rates themselves in use.
Disagreement: section 3.1 gives the mask the opposite meaning; the TensorFlow wrapper zones the
carried state but returns the plain output. The candidate for h uses the cell state before
zoneout.
"""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

f, i, g, o, c_hat, c, h, x, d_c, d_h = symbols("f i g o c_hat c h x d_c d_h")
W_f, U_f, b_f, W_i, U_i, b_i = symbols("W_f U_f b_f W_i U_i b_i")
W_g, U_g, b_g, W_o, U_o, b_o = symbols("W_g U_g b_g W_o U_o b_o")

zoneout_lstm = Cell(
    "zoneout_lstm",
    Eq(f[t], sigma(W_f @ x[t] + U_f @ h[t-1] + b_f)),
    Eq(i[t], sigma(W_i @ x[t] + U_i @ h[t-1] + b_i)),
    Eq(g[t], tanh(W_g @ x[t] + U_g @ h[t-1] + b_g)),
    Eq(o[t], sigma(W_o @ x[t] + U_o @ h[t-1] + b_o)),
    Eq(c_hat[t], f[t] * c[t-1] + i[t] * g[t]),
    Eq(c[t], d_c[t] * c[t-1] + (1 - d_c[t]) * c_hat[t]),
    Eq(h[t], d_h[t] * h[t-1] + (1 - d_h[t]) * (o[t] * tanh(c_hat[t]))),
)
