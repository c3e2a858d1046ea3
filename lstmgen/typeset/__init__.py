"""Typeset formulas as data, and the two languages in which they are written: LaTeX and MathML."""
