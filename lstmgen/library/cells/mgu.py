"""Minimal gated unit: one gate resets and updates.

Family: GRU
Year: 2016
Source: G. Zhou, J. Wu, C. Zhang, Z. Zhou, "Minimal Gated Unit for Recurrent Neural Networks",
IJAC 13(3), 2016 (arXiv:1603.09420), number unconfirmed.
Status: IMPL, RUN: torchrecurrent agrees, and so do the docstrings of RecurrentLayers.jl and
brainstate.
Disagreement: flax's MGUCell resets after the product and swaps the blend; the code of
RecurrentLayers.jl swaps the blend against its own docstring.
"""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

f, h_tilde, h, x, W_f, U_f, b_f = symbols("f h_tilde h x W_f U_f b_f")
W_h, U_h, b_h = symbols("W_h U_h b_h")

mgu = Cell(
    "mgu",
    Eq(f[t], sigma(W_f @ x[t] + U_f @ h[t-1] + b_f)),
    Eq(h_tilde[t], tanh(W_h @ x[t] + U_h @ [f[t] * h[t-1]] + b_h)),
    Eq(h[t], (1 - f[t]) * h[t-1] + f[t] * h_tilde[t]),
)
