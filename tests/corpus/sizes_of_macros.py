"""CuPy: sizes called as macros, and as the kernels' own constants, are."""

from lstmgen import Cell, Eq, sigma, symbols, t, tanh

v, W, x, b, u, V, c, h, U = symbols("v W x b u V c h U")

cell = Cell(
    "sizes_of_macros",
    Eq(v[t], tanh(W @ [v[t-1], x[t]] + b)),
    Eq(u[t], sigma(V @ v[t] + c) * u[t-1]),
    Eq(h[t], U @ [u[t], v[t]] + h[t-1]),
    sizes={'v': 'BUFSIZ', 'u': 'WIDE'},
)
