"""Quasi-recurrent network, fo-pooling: gates see the input alone.

Family: Parallel
Year: 2017
Source: J. Bradbury, S. Merity, C. Xiong, R. Socher, "Quasi-Recurrent Neural Networks", ICLR 2017
(arXiv:1611.01576), number unconfirmed [4].
Status: IMPL (notes) and AUTHORS. Filters of width 1; for width k give the last k inputs side by
side as x.
Disagreement: the authors' code (salesforce/pytorch-qrnn) gives f the opposite meaning, c = f z +
(1 - f) c, and adds biases.
"""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

z, f, o, c, h, x, W_z, W_f, W_o = symbols("z f o c h x W_z W_f W_o")

qrnn_fo = Cell(
    "qrnn_fo",
    Eq(z[t], tanh(W_z @ x[t])),
    Eq(f[t], sigma(W_f @ x[t])),
    Eq(o[t], sigma(W_o @ x[t])),
    Eq(c[t], f[t] * c[t-1] + (1 - f[t]) * z[t]),
    Eq(h[t], o[t] * c[t]),
)
