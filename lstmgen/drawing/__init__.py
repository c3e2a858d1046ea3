"""Drawings of cells, from their equations: equations, graph, placement, routing, geometry, SVG.

`draw(cell)` gives a `Drawing`; the stages between are values that can be looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lstmgen.drawing.picture import Drawing, draw

__all__ = ["Drawing", "draw"]


def __getattr__(name: str) -> Any:
    # So that the command line can take its command from here without importing SymPy.
    if name in __all__:
        from lstmgen.drawing import picture

        return getattr(picture, name)
    raise AttributeError(f"module 'lstmgen.drawing' has no attribute {name!r}")
