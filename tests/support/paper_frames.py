r"""Equations in the surroundings that papers, notes and documentation give them."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

EQUALS = ("=", ":=", r"\coloneqq", r"\leftarrow", r"\triangleq", r"\stackrel{\text{def}}{=}")
REMARKS = (
    r"\quad \text{(gate)}", r"\qquad (3)", r"\tag{2}", r" && \text{some words}", r"\label{eq:a}",
    r" & \textit{remark}", r", \quad t = 1, \dots, T", r"\nonumber", r" \quad \forall t",
    r" && \mbox{(the gate, see \cite{a})} \\[2pt]", r"\; ,", r"\,.", r" \in \mathbb{R}^n",
)  # fmt: skip


def framed(lines: Sequence[str], kind: str, equals: str, remark: str) -> str:
    """The equations in an environment, with remarks and punctuation."""
    if kind in ("align", "align*", "eqnarray", "IEEEeqnarray", "split", "flalign", "aligned"):
        mark = "& = &" if kind in ("eqnarray", "IEEEeqnarray") else f"&{equals}"
        lines = [line.replace(equals, mark, 1) for line in lines]
    takes = kind in ("align", "align*", "gather", "dollars", "flalign")
    behind = remark if takes and ("&" not in remark or "align" in kind) else ""
    if kind in ("dollars", "gather"):
        behind = behind.replace(r"\\[2pt]", "")
    rows = [line + behind for line in lines]
    if behind.endswith(r"\\[2pt]"):
        rows = [row.removesuffix(r"\\[2pt]") for row in rows]
    return FRAMES[kind](rows)


def _environment(name: str, separator: str = " \\\\\n", arguments: str = "") -> Callable[..., str]:
    def frame(rows: Sequence[str]) -> str:
        body = separator.join(rows)
        return f"\\begin{{{name}}}{arguments}\n{body}\n\\end{{{name}}}\n"

    return frame


def _pairs(rows: Sequence[str]) -> list[str]:
    """Two equations in a row, as far as there are any."""
    return [", \\quad ".join(rows[k : k + 2]) for k in range(0, len(rows), 2)]


FRAMES: dict[str, Callable[[Sequence[str]], str]] = {
    "align": _environment("align"),
    "align*": _environment("align*"),
    "flalign": _environment("flalign*"),
    "gather": _environment("gather"),
    "eqnarray": _environment("eqnarray"),
    "IEEEeqnarray": _environment("IEEEeqnarray", ", \\\\\n", "{rCl}"),
    "subequations": lambda rows: (
        f"\\begin{{subequations}}\n{FRAMES['align'](rows)}\\end{{subequations}}\n"
    ),
    "aligned": lambda rows: "$$\n" + FRAMES["aligned alone"](rows) + "$$\n",
    "aligned alone": _environment("aligned"),
    "empheq": _environment("empheq", arguments=r"[box=\fbox]{align}"),
    "split": lambda rows: (
        "\\begin{equation}\\begin{split}\n"
        + ",\\\\\n".join(rows)
        + ".\n\\end{split}\\end{equation}\n"
    ),
    "cases": lambda rows: (
        "\\[ \\left\\{ \\begin{array}{l}\n" + " \\\\ ".join(rows) + "\n\\end{array} \\right. \\]\n"
    ),
    "docs": lambda rows: (
        ".. math::\n    \\begin{array}{ll} \\\\\n        "
        + " \\\\\n        ".join(rows)
        + " \\\\\n    \\end{array}\n\nwhere :math:`h_t` is the state at time `t`.\n"
    ),
    "dollars": lambda rows: "\n".join(f"$$ {row} $$" for row in rows) + "\n",
    "brackets": lambda rows: (
        "Some prose.\n" + "\nand then\n".join(f"\\[ {row}. \\]" for row in rows) + "\n"
    ),
    "rst": lambda rows: (
        "Text before it:\n\n.. math::\n\n"
        + "\n\n".join(f"   {row}" for row in rows)
        + "\n\nwhere :math:`b` is a bias.\n"
    ),
    "markdown": lambda rows: (
        "# A heading with = and words\n\n"
        + "\n\nwith\n\n".join(f"$$\n{row}\n$$" for row in rows)
        + "\n\n- $x$: the input\n"
    ),
    "fence": lambda rows: "A cell.\n\n```math\n" + " \\\\\n".join(rows) + "\n```\n",
    "table": lambda rows: (
        "| gate | formula |\n|---|---|\n" + "\n".join(f"| a | ${row}$ |" for row in rows) + "\n"
    ),
    "items": lambda rows: (
        "\\begin{itemize}\n"
        + "\n".join(f"  \\item The gate: ${row}$" for row in rows)
        + "\n\\end{itemize}\n"
    ),
    "inline": lambda rows: (
        "We have " + ", and ".join(f"${row}$" for row in rows) + ", where $h$ is returned.\n"
    ),
    "parentheses": lambda rows: (
        "First " + ". Then ".join(f"\\( {row} \\)" for row in rows) + ", for all $t > 0$.\n"
    ),
    "pairs": lambda rows: "\n".join(f"\\[ {pair} \\]" for pair in _pairs(rows)) + "\n",
    "braces": lambda rows: (
        "\\begin{array} { l } " + " \\\\ ".join(f"{{ {row} }}" for row in rows) + " \\end{array}\n"
    ),
    "wiki": lambda rows: (
        "{\\displaystyle {\\begin{aligned}" + "\\\\".join(rows) + "\\end{aligned}}}\n"
    ),
    "lines": lambda rows: "\n".join(rows) + "\n",
}
WITH_BARE_ROWS = frozenset({"lines", "cases", "braces", "wiki", "docs"})
IN_PROSE = frozenset({"inline", "parentheses", "items", "table"})


def as_document(body: str, chance: random.Random) -> str:
    """A paper around it."""
    number = chance.randint(1, 9)
    return (
        "\\documentclass{article}\n\\usepackage{amsmath}\n\\begin{document}\n"
        f"\\section{{A cell}}\\label{{sec:a}} It has $n^{number}$ units, $n = 12{number}$.\n{body}"
        "As \\eqref{eq:a} shows, $p < 0.01$ with $T = 784$ steps.\n\\end{document}\n"
    )
