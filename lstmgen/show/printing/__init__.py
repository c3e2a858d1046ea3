"""Expressions and derived equations as text and as LaTeX."""
