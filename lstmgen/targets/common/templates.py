"""From a plan to text: templates hold structure, printers hold expressions."""

from __future__ import annotations

from functools import cache
from typing import Any

import jinja2

from lstmgen.targets.common.wrapping import WIDTH, filled, wrapped
from lstmgen.templates_folder import template_folder

__all__ = ["set_into"]


def set_into(template: str, module: Any) -> str:
    """The template of that name with a module's plan, tidied."""
    return _tidy(_environment().get_template(template).render(module=module))


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template_folder()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # the output is Python, not HTML
    )
    environment.filters["tuple_text"] = _tuple_text
    environment.filters["expression_tuple"] = _expression_tuple
    environment.filters["source_text"] = lambda s: (
        f'("{s.size}", "{s.parameter}", {s.axis}, {_tuple_text(s.others)}, {s.times})'
    )
    environment.filters["library"] = lambda name: {"np": "numpy", "cp": "cupy"}[name]
    environment.filters["wrapped"] = _wrapped
    environment.filters["commented"] = _commented
    environment.filters["targets"] = _targets
    environment.filters["unpacked"] = _unpacked
    environment.filters["filled"] = _filled
    environment.filters["out"] = lambda name: f"{name}_out"
    return environment


def _tuple_text(items: tuple[str, ...]) -> str:
    """A tuple of strings as Python source."""
    return "(" + ", ".join(f'"{x}"' for x in items) + ("," if len(items) == 1 else "") + ")"


def _expression_tuple(items: tuple[str, ...]) -> str:
    """A tuple of expressions as Python source."""
    return "(" + ", ".join(items) + ("," if len(items) == 1 else "") + ")"


def _commented(line: Any, indent: int) -> str:
    """A line with its equations' labels behind it, or above it where the line is long."""
    code = str(line.code)
    comment = f"# {line.comment}" if line.labels else ""
    if comment and indent + len(code) + 2 + len(comment) <= WIDTH:
        return f"{code}  {comment}"
    lines = _wrapped(code, indent)
    return f"{comment}\n{' ' * indent}{lines}" if comment else lines


def _wrapped(code: str, indent: int) -> str:
    """A line that is indented so far, over several lines if it is long."""
    return wrapped(code, indent).replace("\n", "\n" + " " * indent)


def _targets(names: list[str], indent: int) -> str:
    """The variables of a loop as a tuple, over several lines if it is long."""
    line = ", ".join(names) + ("," if len(names) == 1 else "")
    if indent + len(line) <= WIDTH - 30:
        return f"({line})" if len(names) == 1 else line
    margin = " " * indent
    # Tuples within it have lines of their own.
    parts = [f"{name}," for name in names] if "(" in line else [line + ","]
    lines = [
        text for part in parts for text in filled(part, WIDTH - indent - 4, " " * ("(" in part))
    ]
    return "\n".join(["(", *(f"{margin}    {x}" for x in lines), f"{margin})"])


def _filled(items: list[str], indent: int) -> str:
    """A call of zip, its arguments over as few lines as they take."""
    line = f"zip({', '.join(items)})"
    if indent + len(line) + 20 <= WIDTH:
        return line
    lines = [""]
    for item in items:
        if len(lines[-1]) + len(item) + indent + 2 > WIDTH and lines[-1]:
            lines.append("")
        lines[-1] += f"{item}, "
    margin = " " * indent
    inner = "\n".join(f"{margin}{line.rstrip()}" for line in lines).removesuffix(",")
    return f"zip(\n{inner}\n{margin[4:]})"


def _unpacked(names: list[str], indent: int) -> str:
    """Names that a sequence is unpacked to, over several lines if they are many."""
    line = ", ".join(names) + ("," if len(names) == 1 else "")
    if indent + len(line) <= WIDTH - 40:  # " = (params[name] for name in PARAMETERS)"
        return line
    margin = " " * indent
    lines = filled(line + ("" if line.endswith(",") else ","), WIDTH - indent - 4)
    return "\n".join(["(", *(f"{margin}    {x}" for x in lines), f"{margin})"])


def _tidy(text: str) -> str:
    """No trailing blanks, no more than two empty lines, one newline at the end."""
    lines: list[str] = []
    empty = 0
    for line in text.splitlines():
        line = line.rstrip()
        empty = 0 if line else empty + 1
        if empty <= 2:
            lines.append(line)
    return "\n".join(lines).strip("\n") + "\n"
