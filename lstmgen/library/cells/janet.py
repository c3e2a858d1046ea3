"""JANET, the LSTM with nothing but the forget gate; beta opens the way to write.

Family: LSTM
Year: 2018
Source: J. van der Westhuizen, J. Lasenby, "The Unreasonable Effectiveness of the Forget Gate",
arXiv:1804.04849 (2018), number unconfirmed.
Status: AUTHORS (JosvanderWesthuizen/janet), IMPL, RUN (torchrecurrent). The paper's c equals h.
Disagreement: beta is the constant 1 in the authors' code and a trained scalar in torchrecurrent;
here it is a scalar parameter.
"""

from lstmgen import Cell, Eq, scalars, sigma, symbols, t, tanh

s, c_tilde, h, x, W_f, U_f, b_f = symbols("s c_tilde h x W_f U_f b_f")
W_c, U_c, b_c = symbols("W_c U_c b_c")
beta = scalars("beta")

janet = Cell(
    "janet",
    Eq(s[t], W_f @ x[t] + U_f @ h[t-1] + b_f),
    Eq(c_tilde[t], tanh(W_c @ x[t] + U_c @ h[t-1] + b_c)),
    Eq(h[t], sigma(s[t]) * h[t-1] + (1 - sigma(s[t] - beta)) * c_tilde[t]),
)
