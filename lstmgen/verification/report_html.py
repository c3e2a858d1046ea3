"""A report as HTML for notebooks: the verdict, a table of the kinds of checks, and every check.

It reads without colour, in a light and in a dark theme, and without a style sheet, which code hosts
take out: a failing line is bold and says so.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lstmgen.verification.report import Check, Report

__all__ = ["report_html"]

_KINDS = ("check", "lines", "worst error", "bound", "verdict")
_LEFT = ' style="text-align: left"'  # Jupyter sets tables flush right


def report_html(
    report: Report, head: Sequence[str], row: Sequence[tuple[Sequence[str], bool]]
) -> str:
    """The report as HTML.

    Args:
        report: what is shown.
        head, row: the columns of the full table, and of each line its texts and its verdict.
    """
    verdict, *failures = report.verdict().splitlines()
    parts = [f"<p><strong>{html.escape(report.title())}: {html.escape(verdict)}</strong></p>"]
    notes = [line.strip() for line in failures]
    notes += report.notes()
    if notes:
        parts.append("<ul>" + "".join(f"<li>{html.escape(note)}</li>" for note in notes) + "</ul>")
    if report.checks:
        parts.append(_table(_KINDS, _kinds(report.checks)))
        parts.append(
            f"<details><summary>every line, with its equation ({len(report.checks)})</summary>"
            f"{_table(head, row)}</details>"
        )
    if report.kernel_lines:
        parts.append(f"<pre>{html.escape(chr(10).join(report.kernel_lines))}</pre>")
    return f"<div>{''.join(parts)}</div>"


def _kinds(checks: Iterable[Check]) -> list[tuple[tuple[str, ...], bool]]:
    """One line for all checks of a name: how many, the worst error, the verdict."""
    kinds: dict[str, list[Check]] = {}
    for check in checks:
        kinds.setdefault(check.check, []).append(check)
    rows: list[tuple[tuple[str, ...], bool]] = []
    for name, those in kinds.items():
        # The worst is what comes nearest to its bound, or lies farthest beyond it.
        measured = [(c.error, c.bound) for c in those if c.error is not None and c.bound]
        error, bound = max(measured, key=lambda m: m[0] / m[1], default=(None, None))
        good = all(check.passed for check in those)
        rows.append(
            (
                (
                    name,
                    str(len(those)),
                    "" if error is None else f"{error:.1e}",
                    "" if bound is None else f"{bound:.0e}",
                    "ok" if good else "FAILED",
                ),
                good,
            )
        )
    return rows


def _table(head: Sequence[str], rows: Iterable[tuple[Sequence[str], bool]]) -> str:
    titles = "".join(f'<th scope="col"{_LEFT}>{html.escape(title)}</th>' for title in head)
    lines = []
    for texts, good in rows:
        cells = "".join(
            f"<td{_LEFT}>{html.escape(text) if good else f'<b>{html.escape(text)}</b>'}</td>"
            for text in texts
        )
        lines.append(f"<tr>{cells}</tr>")
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
