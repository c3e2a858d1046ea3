"""What IPython asks an object for when it is the value of a notebook's cell.

Beside the figure or the formulas of an object IPython keeps its plain text, for terminals and for
programs that show nothing else.
"""

from __future__ import annotations

from typing import Any

__all__ = ["plain_text"]


def plain_text(self: object, printer: Any, cycle: bool) -> None:
    """What `str()` gives as the plain text, and not the nested constructors of `repr()`.

    To be used as `_repr_pretty_ = plain_text`, in the body of the class that has the `__repr__`:
    IPython takes whichever of the two stands in the more special class.
    """
    printer.text(str(self))
