"""Gated recurrent unit, reset gate before the product, without biases.

Family: GRU
Year: 2014
Source: C. Olah, "Understanding LSTM Networks" (2015), variants; K. Cho et al., "Learning Phrase
Representations using RNN Encoder-Decoder", EMNLP 2014 (arXiv:1406.1078v3), with z in the sense of
J. Chung et al., arXiv:1412.3555.
"""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

z, r, h_tilde, h, x, W_z, W_r, W = symbols("z r h_tilde h x W_z W_r W")

gru = Cell(
    "gru",
    Eq(z[t], sigma(W_z @ [h[t-1], x[t]])),
    Eq(r[t], sigma(W_r @ [h[t-1], x[t]])),
    Eq(h_tilde[t], tanh(W @ [r[t] * h[t-1], x[t]])),
    Eq(h[t], (1 - z[t]) * h[t-1] + z[t] * h_tilde[t]),
)
