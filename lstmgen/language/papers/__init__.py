"""Reading the equations of a paper, in LaTeX or in plain text.

`reader.py` goes through the stages, each of which has a folder: `text` (what of it is equations, as
tokens), `syntax` (trees of what is written), `equations` (which symbol is meant, and what is put in
where) and `meaning` (what each letter is). None imports what comes after it. What a stage cannot
decide it asks (`questions.py`).

The grammar is our own: the text is never evaluated, nor handed to anything that evaluates.
"""

from lstmgen.language.papers.files import read_file, read_standard_input
from lstmgen.language.papers.questions import Answer, OpenQuestions, Question
from lstmgen.language.papers.reader import Reading, ReadSymbol, read_equations

__all__ = [
    "Answer",
    "OpenQuestions",
    "Question",
    "ReadSymbol",
    "Reading",
    "read_equations",
    "read_file",
    "read_standard_input",
]
