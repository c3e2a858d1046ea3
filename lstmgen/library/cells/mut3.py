"""MUT3: a GRU found by search; its update gate sees the squashed state.

Family: GRU
Year: 2015
Source: R. Jozefowicz, W. Zaremba, I. Sutskever, "An Empirical Exploration of Recurrent Network
Architectures", ICML 2015, unnumbered.
Status: IMPL, all agreeing: Keras' JZS cells, TensorFlow's JZSCell, RecurrentArchitectures.
Disagreement: torchrecurrent's docstring has the raw input in r and no tanh(h), its code the lines
below.
"""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

z, r, h, x = symbols("z r h x")
W_z, U_z, b_z, W_r, U_r, b_r, U_h, W_h, b_h = symbols("W_z U_z b_z W_r U_r b_r U_h W_h b_h")

mut3 = Cell(
    "mut3",
    Eq(z[t], sigma(W_z @ x[t] + U_z @ [tanh(h[t-1])] + b_z)),
    Eq(r[t], sigma(W_r @ x[t] + U_r @ h[t-1] + b_r)),
    Eq(h[t], tanh(U_h @ [r[t] * h[t-1]] + W_h @ x[t] + b_h) * z[t] + h[t-1] * (1 - z[t])),
)
