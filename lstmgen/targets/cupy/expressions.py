"""Expressions as CUDA C++."""

from __future__ import annotations

from lstmgen.targets.common.c_expressions import CFamily, language


class Cuda(CFamily):
    """Writes expressions as CUDA C++."""

    def number(self, decimal: str) -> str:
        return f"real({decimal})"


FUNCTIONS = language(Cuda)
"""The functions as kernels call them, and the device functions that they need."""
