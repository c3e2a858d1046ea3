"""From equations to a cell: what each letter is, which are matrices, what is returned."""
