"""What differs between two cells, in the mathematics: equations, gradients, schedule."""

from lstmgen.show.comparing.comparison import Comparison, Section, compare

__all__ = ["Comparison", "Section", "compare"]
