"""The normal form of a cell: its equations cut at the matrix products, with roles and sizes."""
