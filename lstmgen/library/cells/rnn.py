"""Vanilla recurrent network with one tanh layer.

Family: RNN
Year: 1990
Source: C. Olah, "Understanding LSTM Networks" (2015), the repeating module of a standard RNN;
J. L. Elman, "Finding Structure in Time", Cognitive Science 14(2), 1990.
"""

from lstmgen import Cell, Eq, symbols, t, tanh

h, x, W, b = symbols("h x W b")

rnn = Cell(
    "rnn",
    Eq(h[t], tanh(W @ [h[t-1], x[t]] + b)),
)
