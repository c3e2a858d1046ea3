"""MUT1: a GRU found by search; its update gate sees the input alone.

Family: GRU
Year: 2015
Source: R. Jozefowicz, W. Zaremba, I. Sutskever, "An Empirical Exploration of Recurrent Network
Architectures", ICML 2015, unnumbered.
Status: IMPL, all agreeing: Keras' JZS cells, TensorFlow's JZSCell, RecurrentArchitectures. The
input has the size of the state.
Disagreement: for an input of another size Keras multiplies it by a fixed random matrix;
torchrecurrent and RecurrentLayers.jl use learned matrices instead of the raw input.
"""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

z, r, h, x = symbols("z r h x")
W_z, b_z, W_r, U_r, b_r, U_h, b_h = symbols("W_z b_z W_r U_r b_r U_h b_h")

mut1 = Cell(
    "mut1",
    Eq(z[t], sigma(W_z @ x[t] + b_z)),
    Eq(r[t], sigma(W_r @ x[t] + U_r @ h[t-1] + b_r)),
    Eq(h[t], tanh(U_h @ [r[t] * h[t-1]] + tanh(x[t]) + b_h) * z[t] + h[t-1] * (1 - z[t])),
)
