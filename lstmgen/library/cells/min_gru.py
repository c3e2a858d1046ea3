"""minGRU: gate and candidate see the input alone, so that a scan can train it.

Family: Parallel
Year: 2024
Source: L. Feng, F. Tung, M. Ahmed, Y. Bengio, H. Hajimirsadeghi, "Were RNNs All We Needed?",
arXiv:2410.01201 (2024), numbers unconfirmed.
Status: IMPL, more than three agree (lucidrains/minGRU-pytorch, notes on v1); the authors released
no code. The plain form; in the log-space form the candidate is g(W_h x + b_h) with a positive g.
"""

from lstmgen import Cell, Eq, sigma, symbols, t

z, h_tilde, h, x, W_z, b_z, W_h, b_h = symbols("z h_tilde h x W_z b_z W_h b_h")

min_gru = Cell(
    "min_gru",
    Eq(z[t], sigma(W_z @ x[t] + b_z)),
    Eq(h_tilde[t], W_h @ x[t] + b_h),
    Eq(h[t], (1 - z[t]) * h[t-1] + z[t] * h_tilde[t]),
)
