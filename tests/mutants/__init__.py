"""Random token mutants of generated modules, and whether verification catches them."""
