"""The target `c`: C11 with a Python module around it."""
