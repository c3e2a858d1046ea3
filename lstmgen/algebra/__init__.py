"""Element-wise expressions, the functions in them, and their derivatives."""
