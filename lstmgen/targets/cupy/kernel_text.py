"""The CUDA text of a CuPy module."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from lstmgen.targets.rendering import render

if TYPE_CHECKING:
    from lstmgen.stages import Stages

__all__ = ["kernel_text"]


def kernel_text(cell: Stages) -> str:
    """The CUDA text of a cell's CuPy module, as the module has it in `_KERNELS`."""
    for node in ast.parse(render(cell, "cupy")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_KERNELS":
            return str(ast.literal_eval(node.value))
    raise AssertionError("the template of CuPy modules assigns no _KERNELS")
