"""What `lstmgen explain` shows: the stages between a cell's equations and its module."""

from lstmgen.show.explaining.text import EXAMPLE, as_json, explain

__all__ = ["EXAMPLE", "as_json", "explain"]
