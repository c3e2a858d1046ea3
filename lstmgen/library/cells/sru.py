"""Simple recurrent unit: all matrix products can be done before the recurrence.

Family: Parallel
Year: 2018
Source: T. Lei, Y. Zhang, S. Wang, H. Dai, Y. Artzi, "Simple Recurrent Units for Highly
Parallelizable Recurrence", EMNLP 2018 (arXiv:1709.02755), numbers unconfirmed [1-4].
Status: AUTHORS (asappresearch/sru, elementwise_recurrence_naive). The highway needs an input of
the size of the state; alpha is a constant there, a scalar parameter here.
Disagreement: the 2017 version has no v_f, v_r and squashes c in the last line.
"""

from lstmgen import Cell, Eq, scalars, sigma, symbols, t

f, c, r, h, x, W_f, v_f, b_f, W, W_r, v_r, b_r = symbols("f c r h x W_f v_f b_f W W_r v_r b_r")
alpha = scalars("alpha")

sru = Cell(
    "sru",
    Eq(f[t], sigma(W_f @ x[t] + v_f * c[t-1] + b_f)),
    Eq(c[t], f[t] * c[t-1] + (1 - f[t]) * (W @ x[t])),
    Eq(r[t], sigma(W_r @ x[t] + v_r * c[t-1] + b_r)),
    Eq(h[t], r[t] * c[t] + (1 - r[t]) * alpha * x[t]),
)
