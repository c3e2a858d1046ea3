"""c: values with the names of members of the memory, and of those made of them."""

from lstmgen import Cell, Eq, relu, symbols, t, tanh

T, B, last_T, room_x, x, W, U = symbols("T B last_T room_x x W U")

cell = Cell(
    "cell",
    Eq(B[t], relu(W @ [x[t], B[t - 1]])),
    Eq(last_T[t], tanh(B[t])),
    Eq(room_x[t], last_T[t] * B[t - 1]),
    Eq(T[t], U @ [room_x[t], B[t]] + 0.5 * T[t - 1]),
    output="T",
)
