"""All targets: only a weight tells a size, and there it is that of three columns."""

from lstmgen import Cell, Eq, log, scalars, softplus, symbols, t, tanh

v0, summand, W0 = symbols("v0 summand W0")
x_in = scalars("x_in")

cell = Cell(
    "size_of_several_columns",
    Eq(v0[t], log(softplus(1 - tanh(x_in[t])))),
    Eq(summand[t], 0.5 * summand[t-1] + W0 @ [v0[t], v0[t], v0[t]]),
    output='summand',
    sizes={'summand': 'P'},
)
