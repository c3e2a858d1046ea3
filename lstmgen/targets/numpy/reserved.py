"""The names that modules use themselves: a cell's symbols are called otherwise there."""

from __future__ import annotations

import builtins

from lstmgen.targets.numpy.expressions import FUNCTIONS

_PUBLIC = (
    "CELL STATES INPUTS OUTPUT PARAMETERS SIZES init_params init_state forward backward step Tape"
)
_ARGUMENTS = (
    "params x state lengths restart reuse tape dy dstate input_size hidden_size batch_size seed "
    "dtype self key rows steps n at T B last block blocks before y work run new most spans spare "
    "spent found narrow handed sums dparams dx dstate0 name value arrays bound random shapes shape "
    "size np functools add subtract multiply divide negative reciprocal square power dot copyto"
)
RESERVED = FUNCTIONS.identifiers.union(_PUBLIC.split(), _ARGUMENTS.split(), dir(builtins))
"""All names of the templates, of NumPy as modules use it, and of Python."""
