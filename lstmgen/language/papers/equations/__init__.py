"""From trees to equations: which symbol is meant, at which time, and what is put in where."""
