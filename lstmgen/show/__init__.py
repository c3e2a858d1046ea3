"""What is shown of a cell: text, LaTeX, figures, comparisons, pages."""
