"""CuPy: vectors and parameters called as macros are."""

from lstmgen import Cell, Eq, symbols, t, tanh

NAN, NULL, INFINITY, linux, EOF, HUGE_VAL, M_PI, warpSize = symbols("NAN NULL INFINITY linux EOF HUGE_VAL M_PI warpSize")

cell = Cell(
    "names_of_macros",
    Eq(NAN[t], NULL[t] * NAN[t-1] + tanh(INFINITY @ [linux[t], NAN[t-1]] + EOF)),
    Eq(HUGE_VAL[t], NAN[t] * M_PI + warpSize),
    output='HUGE_VAL',
)
