"""The built-in cells, a file of equations each."""
