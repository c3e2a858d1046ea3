"""A report as HTML for notebooks: the verdict, a table of the kinds of checks, and every check.

It reads without colour, in a light and in a dark theme, and without a style sheet, which code hosts
take out: a failing line is bold and says so.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

__all__ = ["Row", "report_html"]

Row = tuple[Sequence[str], bool]
"""The texts of a line, and its verdict."""

_LEFT = ' style="text-align: left"'  # Jupyter sets tables flush right


def report_html(
    verdict: str,
    notes: Sequence[str],
    tables: Sequence[tuple[Sequence[str], Sequence[Row]]],
    kernel_lines: Sequence[str],
) -> str:
    """A report as HTML.

    Args:
        verdict: what was verified, and how it went.
        notes: a point each.
        tables: heads and lines of the kinds of checks, and of every check; none if none was made.
        kernel_lines: what a module's kernels take, as text.
    """
    parts = [f"<p><strong>{html.escape(verdict)}</strong></p>"]
    if notes:
        parts.append("<ul>" + "".join(f"<li>{html.escape(note)}</li>" for note in notes) + "</ul>")
    if tables:
        kinds, every = tables
        parts.append(_table(*kinds))
        parts.append(
            f"<details><summary>every line, with its equation ({len(every[1])})</summary>"
            f"{_table(*every)}</details>"
        )
    if kernel_lines:
        parts.append(f"<pre>{html.escape(chr(10).join(kernel_lines))}</pre>")
    return f"<div>{''.join(parts)}</div>"


def _table(head: Sequence[str], rows: Iterable[Row]) -> str:
    titles = "".join(f'<th scope="col"{_LEFT}>{html.escape(title)}</th>' for title in head)
    lines = []
    for texts, good in rows:
        cells = "".join(
            f"<td{_LEFT}>{html.escape(text) if good else f'<b>{html.escape(text)}</b>'}</td>"
            for text in texts
        )
        lines.append(f"<tr>{cells}</tr>")
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
