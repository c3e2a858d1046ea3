"""Reading cells from the equations of a paper, in LaTeX or in plain text.

The grammar is our own: the text is never evaluated, nor handed to anything that evaluates.
"""

from lstmgen.latex_reading.files import read_file, read_standard_input
from lstmgen.latex_reading.reader import ReadSymbol, TextCell, read_tex

__all__ = ["ReadSymbol", "TextCell", "read_file", "read_standard_input", "read_tex"]
