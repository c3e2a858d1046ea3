"""minLSTM: gates of the input alone, scaled so that they add up to one.

Family: Parallel
Year: 2024
Source: L. Feng, F. Tung, M. Ahmed, Y. Bengio, H. Hajimirsadeghi, "Were RNNs All We Needed?",
arXiv:2410.01201 (2024), numbers unconfirmed.
Status: IMPL, more than three agree (lucidrains/minGRU-pytorch, notes on v1); the authors released
no code. The plain form; in the log-space form the candidate is g(W_h x + b_h) with a positive g.
With f = sigma(f_hat) and i = sigma(i_hat), f / (f + i) is written sigma(log f - log i), which
never becomes 0 / 0.
"""

from lstmgen import Cell, Eq, sigma, softplus, symbols, t

f_hat, i_hat, h_tilde, f_prime, i_prime, h, x = symbols("f_hat i_hat h_tilde f_prime i_prime h x")
W_f, b_f, W_i, b_i, W_h, b_h = symbols("W_f b_f W_i b_i W_h b_h")

min_lstm = Cell(
    "min_lstm",
    Eq(f_hat[t], W_f @ x[t] + b_f),
    Eq(i_hat[t], W_i @ x[t] + b_i),
    Eq(h_tilde[t], W_h @ x[t] + b_h),
    Eq(f_prime[t], sigma(softplus(-i_hat[t]) - softplus(-f_hat[t]))),
    Eq(i_prime[t], sigma(softplus(-f_hat[t]) - softplus(-i_hat[t]))),
    Eq(h[t], f_prime[t] * h[t-1] + i_prime[t] * h_tilde[t]),
)
