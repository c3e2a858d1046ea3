# What `import lstmgen` offers, for type checkers: __init__.py loads it on first use.

from collections.abc import Callable
from typing import Any

from lstmgen.cell import Cell as Cell
from lstmgen.errors import EquationError as EquationError
from lstmgen.errors import LstmgenError as LstmgenError
from lstmgen.errors import UnavailableError as UnavailableError
from lstmgen.errors import UsageError as UsageError
from lstmgen.errors import VerificationError as VerificationError
from lstmgen.language.notation import Eq as Eq
from lstmgen.language.notation import scalars as scalars
from lstmgen.language.notation import symbols as symbols
from lstmgen.language.notation import t as t
from lstmgen.library.loading import load as load
from lstmgen.targets.rendering import compile as compile
from lstmgen.targets.rendering import render as render
from lstmgen.verification import verify as verify

__version__: str

# The functions of equations; SymPy, whose expressions they make, has no types.
Abs: Callable[..., Any]
Max: Callable[..., Any]
Min: Callable[..., Any]
arctan: Callable[..., Any]
atan: Callable[..., Any]
clip: Callable[..., Any]
cos: Callable[..., Any]
cosh: Callable[..., Any]
elu: Callable[..., Any]
erf: Callable[..., Any]
erfc: Callable[..., Any]
exp: Callable[..., Any]
expm1: Callable[..., Any]
gelu: Callable[..., Any]
gelu_tanh: Callable[..., Any]
hard_sigmoid: Callable[..., Any]
hard_tanh: Callable[..., Any]
leaky_relu: Callable[..., Any]
log: Callable[..., Any]
log1p: Callable[..., Any]
mish: Callable[..., Any]
normal_cdf: Callable[..., Any]
relu: Callable[..., Any]
selu: Callable[..., Any]
sigma: Callable[..., Any]
sigmoid: Callable[..., Any]
sign: Callable[..., Any]
silu: Callable[..., Any]
sin: Callable[..., Any]
sinh: Callable[..., Any]
softplus: Callable[..., Any]
sqrt: Callable[..., Any]
swish: Callable[..., Any]
tanh: Callable[..., Any]
