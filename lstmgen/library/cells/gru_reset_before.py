"""GRU with biases, reset gate before the product; z keeps the old state.

Family: GRU
Year: 2014
Source: K. Cho et al., "Learning Phrase Representations using RNN Encoder-Decoder", EMNLP 2014
(arXiv:1406.1078v3), numbers unconfirmed [5-8].
Status: IMPL: Keras gru.py (reset_after=False) and the TensorFlow documentation, which name v3; no
bias is printed in the paper.
Disagreement: three forms are called GRU: this one, `gru_reset_after` (v1, cuDNN, PyTorch) and
`gru` (Chung et al. and the blog post), whose z has the opposite meaning.
"""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

r, z, h_tilde, h, x, W_r, U_r, b_r = symbols("r z h_tilde h x W_r U_r b_r")
W_z, U_z, b_z, W, U, b = symbols("W_z U_z b_z W U b")

gru_reset_before = Cell(
    "gru_reset_before",
    Eq(r[t], sigma(W_r @ x[t] + U_r @ h[t-1] + b_r)),
    Eq(z[t], sigma(W_z @ x[t] + U_z @ h[t-1] + b_z)),
    Eq(h_tilde[t], tanh(W @ x[t] + U @ [r[t] * h[t-1]] + b)),
    Eq(h[t], z[t] * h[t-1] + (1 - z[t]) * h_tilde[t]),
)
