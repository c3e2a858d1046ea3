"""What `lstmgen explain` shows: the stages between a cell's equations and its module."""

from lstmgen.explaining.text import EXAMPLE, explain

__all__ = ["EXAMPLE", "explain"]
