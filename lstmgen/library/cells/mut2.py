"""MUT2: a GRU found by search; its reset gate takes the raw input.

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
W_z, U_z, b_z, U_r, b_r, U_h, W_h, b_h = symbols("W_z U_z b_z U_r b_r U_h W_h b_h")

mut2 = Cell(
    "mut2",
    Eq(z[t], sigma(W_z @ x[t] + U_z @ h[t-1] + b_z)),
    Eq(r[t], sigma(x[t] + U_r @ h[t-1] + b_r)),
    Eq(h[t], tanh(U_h @ [r[t] * h[t-1]] + W_h @ x[t] + b_h) * z[t] + h[t-1] * (1 - z[t])),
)
