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
cos: Callable[..., Any]
exp: Callable[..., Any]
log: Callable[..., Any]
relu: Callable[..., Any]
sigma: Callable[..., Any]
sin: Callable[..., Any]
softplus: Callable[..., Any]
sqrt: Callable[..., Any]
tanh: Callable[..., Any]
