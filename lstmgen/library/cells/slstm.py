"""sLSTM: exponential input gate, normaliser n, and a stabiliser m that cancels.

Family: LSTM
Year: 2024
Source: M. Beck et al., "xLSTM: Extended Long Short-Term Memory", NeurIPS 2024 (arXiv:2405.04517),
equations (8)-(17), with f = sigma; g is log f = -softplus(-f_tilde).
Status: PAPER, AUTHORS (NX-AI/xlstm). One head; with more, R is block-diagonal.
Stabiliser: m scales c and n alike, so that h does not depend on it. Its gradient is taken like
any other and cancels: the result is that of the cell without m (tested).
First step: where n_0 = 0, m_1 = i_tilde_1 as in the authors' code: with max(g_1, i_tilde_1) both
c_1 and n_1 may underflow, and 0 / 0 is no number. f_prime is then beyond 1 but multiplies 0; the
bound exp(80), where the authors have 1, keeps that finite, and is the largest factor by which a
gradient reaches c_0 and n_0.
Disagreement: ports that divide by max(n, 1) compute another cell.
"""

from lstmgen import Abs, Cell, Eq, Max, Min, exp, sigma, sign, softplus, symbols, t, tanh

i_tilde, f_tilde, z, o, g, m, i_prime, f_prime, c, n, h, x = symbols(
    "i_tilde f_tilde z o g m i_prime f_prime c n h x"
)
W_i, R_i, b_i, W_f, R_f, b_f = symbols("W_i R_i b_i W_f R_f b_f")
W_z, R_z, b_z, W_o, R_o, b_o = symbols("W_z R_z b_z W_o R_o b_o")

slstm = Cell(
    "slstm",
    Eq(i_tilde[t], W_i @ x[t] + R_i @ h[t-1] + b_i),
    Eq(f_tilde[t], W_f @ x[t] + R_f @ h[t-1] + b_f),
    Eq(z[t], tanh(W_z @ x[t] + R_z @ h[t-1] + b_z)),
    Eq(o[t], sigma(W_o @ x[t] + R_o @ h[t-1] + b_o)),
    Eq(g[t], -softplus(-f_tilde[t])),
    Eq(m[t], Max(g[t] + m[t-1] - 10**9 * (1 - Abs(sign(n[t-1]))), i_tilde[t])),
    Eq(i_prime[t], exp(i_tilde[t] - m[t])),
    Eq(f_prime[t], exp(Min(g[t] + m[t-1] - m[t], 80))),
    Eq(c[t], f_prime[t] * c[t-1] + i_prime[t] * z[t]),
    Eq(n[t], f_prime[t] * n[t-1] + i_prime[t]),
    Eq(h[t], o[t] * c[t] / n[t]),
)
