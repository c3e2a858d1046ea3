from lstmgen import Cell, Eq, symbols, t, tanh

a, x, W_ax, W_aa, b_a = symbols("a x W_ax W_aa b_a")

cell = Cell(
    "cell",
    Eq(a[t], tanh(W_ax @ x[t] + W_aa @ a[t - 1] + b_a)),
    output="a",
)
