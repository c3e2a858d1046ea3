"""The text of a paper: what of it is equations, with macros put in, as tokens."""
