"""Somebody's own implementation of a cell against the cell's equations.

    lstmgen verify peephole --against mypackage.cells:my_lstm
    compare(cell, my_lstm)

Where the two differ, the report names the equations that the difference can come from, and of the
mistakes that people make the one that gives the same numbers as the implementation.
"""

from __future__ import annotations

from lstmgen.verification.against.comparing import compare, compare_with
from lstmgen.verification.against.result import Agreement, Comparison

__all__ = ["Agreement", "Comparison", "compare", "compare_with"]
