"""Adjoints that are alike: one of them reached a group that is added to the carry."""

from lstmgen import Abs, Cell, Eq, scalars, sigma, symbols, t

all, previous, t_, AttributeError, PARAMETERS, this_, B, inf = symbols("all previous t AttributeError PARAMETERS this_ B inf")
input_x_t = scalars("input_x_t")

cell = Cell(
    "cell",
    Eq(all[t], Abs(input_x_t * (all[t-1] - previous[t-1])) + t_ @ AttributeError[t] * previous[t-1]),
    Eq(previous[t], sigma(PARAMETERS @ [this_[t], AttributeError[t]] - B @ [AttributeError[t], all[t-1]] + inf)),
    output='previous',
)
