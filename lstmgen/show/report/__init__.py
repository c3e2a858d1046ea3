"""Pages that people look at: everything about a cell in one HTML file, and an index of all cells.

`gather` makes the contents of a page as immutable values, `page` the page itself, `site` the pages
of many cells.  A page needs no script and no network.
"""
