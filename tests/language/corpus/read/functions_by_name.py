from lstmgen import (
    Cell,
    Eq,
    arctan,
    clip,
    elu,
    erf,
    gelu,
    hard_tanh,
    leaky_relu,
    mish,
    sign,
    silu,
    symbols,
    t,
)

a, b, h, x, A, B, C, D = symbols("a b h x A B C D")

cell = Cell(
    "cell",
    Eq(a[t], silu(A @ x[t]) + gelu(B @ x[t]) + elu(C @ x[t])),
    Eq(b[t], clip(a[t], -1, 1) + arctan(a[t]) + hard_tanh(a[t])),
    Eq(h[t], leaky_relu(b[t], 0.2) + erf(D @ h[t - 1]) + sign(a[t]) + mish(a[t])),
)
