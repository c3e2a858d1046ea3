"""Names that collide with what generated modules, their languages and their libraries use.

None is reserved for a cell: whatever `lstmgen.language.names.objection` lets pass must work.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from lstmgen.language.names import objection

_MODULE = """
T B H D P x y dy dx params dparams state states dstate dstate0 tape reuse lengths restart step
forward backward init_params init_state input_size hidden_size batch_size seed dtype name value
values shape key keep out outer sums summand adjoints operand result rows columns row column views
work steps pool spent run last carry back gate gates history done width units unit scratch memory
tile chunk chunks block blocks weights weight grad grads delta total first previous prev before
after loop now again index start stop end n m i j k t0 s u v w a b d dh dC dW db h_prev a_x w_x w_h
d_h d_x d_y d_a a_h v_h p_h s_h g_back_h carry_h back_x back_h W_x x_t h_t x_out y_out d_out CELL
STATES INPUTS OUTPUT PARAMETERS Tape np cp numpy cupy gemm functools sys math self cls main this_
forward_h forward_x backward_h backward_x arrays_forward_h fixed_forward_h shape_forward_h ndarray
state_h state_h_prev product_x product_x_t value_u whole_d_x within_d_u compact_back_h again_u
gathered_back_h summand_b weights_x weights_h_prev input_x_t adjoint h_size h_wide h_units x_prev
tanh_of_h
concatenate empty zeros dot matmul multiply add subtract tanh_h sigmoid_h exp_a sigma_a data copy
""".split()
_C = """
NAN INFINITY HUGE_VAL FLT_MAX DBL_MAX INT_MAX M_PI M_E EOF NULL RAND_MAX CHAR_BIT BUFSIZ warpSize
threadIdx blockIdx blockDim gridDim real REAL WIDE THREADS V Pack load store left whole sigmoid
positive sign erf erfc gamma lgamma tgamma j0 j1 jn y0 y1 yn signbit isnan isinf isfinite fma fmax
fmin fabs floor ceil round trunc rint pow log1p expm1 cosh sinh atan2 hypot ldexp frexp remainder
div ldiv abs labs rand srand malloc free calloc memcpy memset strlen printf puts assert exit abort
time clock rsqrt rcbrt sincos norm3d min max dim3 float2 float4 double2 half uint uchar size_t
ptrdiff_t int8_t int32_t uint32_t uint64_t clock64 clamp lerp I complex imaginary noreturn bool_t
linux unix i386 std stdin stdout errno signal jmp_buf va_list wint_t index rindex y_t environ
""".split()
_PYTHON = """
self range len zip list dict tuple set int str float bool bytes object type isinstance print sum
map filter sorted reversed enumerate next iter any all repr vars id hash open eval exec input super
ValueError TypeError KeyError IndexError AttributeError RuntimeError AssertionError Exception
e pi inf nan newaxis ascontiguousarray copyto
""".split()
_ODD = """
t tanh exp log sqrt sin cos sigma relu softplus Abs Max Eq Cell symbols scalars lstmgen sympy
lambda_ alpha Delta_t W_t x_in h_tilde h_hat C_tilde_prime a__b trailing_ x1 X1 xX hh _x A1_2_3
""".split()

POOL = tuple(dict.fromkeys(n for n in (*_MODULE, *_C, *_PYTHON, *_ODD) if not objection(n)))
"""Every colliding name that a cell may give to a symbol."""

SIZES = tuple(
    n
    for n in "P Q N V WIDE THREADS REAL NAN INFINITY Pack EOF I M_PI BUFSIZ NULL".split()
    if not objection(n)
)
"""Names for declared sizes; the first two are plain."""


def rename(rng: random.Random, symbols: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Other names for some of the symbols, no two alike."""
    taken = set(symbols)
    found = []
    for symbol in symbols:
        name = rng.choice(POOL)
        if name not in taken and rng.randrange(3):
            taken.add(name)
            found.append((symbol, name))
    return tuple(found)


def colliding(name: str) -> bool:
    """Whether a target's text may use this name itself."""
    return name in POOL and name not in ("x", "h", "b", "W")
