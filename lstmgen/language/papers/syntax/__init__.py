"""From tokens to trees of what is written: statements, symbols with their indices, operators."""
