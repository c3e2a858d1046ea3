"""Intersection RNN: one gate carries the input through depth, one the state through time.

Family: GRU
Year: 2017
Source: J. Collins, J. Sohl-Dickstein, D. Sussillo, "Capacity and Trainability in Recurrent Neural
Networks", ICLR 2017 (arXiv:1611.09913), equations (15)-(20), with ReLU and tanh.
Status: PAPER. The input has the size of the output y, because it is carried into it.
"""

from lstmgen import Cell, Eq, relu, scalars, sigma, symbols, t, tanh

y_in, h_in, g_y, g_h, y, h, x = symbols("y_in h_in g_y g_h y h x")
W_y, U_y, b_y, W_h, U_h, b_h = symbols("W_y U_y b_y W_h U_h b_h")
V_y, R_y, c_y, V_h, R_h, c_h = symbols("V_y R_y c_y V_h R_h c_h")
b_gy, b_gh = scalars("b_gy b_gh")

intersection_rnn = Cell(
    "intersection_rnn",
    Eq(y_in[t], relu(W_y @ x[t] + U_y @ h[t-1] + b_y)),
    Eq(h_in[t], tanh(W_h @ x[t] + U_h @ h[t-1] + b_h)),
    Eq(g_y[t], sigma(V_y @ x[t] + R_y @ h[t-1] + c_y + b_gy)),
    Eq(g_h[t], sigma(V_h @ x[t] + R_h @ h[t-1] + c_h + b_gh)),
    Eq(y[t], g_y[t] * x[t] + (1 - g_y[t]) * y_in[t]),
    Eq(h[t], g_h[t] * h[t-1] + (1 - g_h[t]) * h_in[t]),
    output="y",
)
