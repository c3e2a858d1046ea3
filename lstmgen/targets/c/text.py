"""The files of a C module as text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lstmgen.targets.c.module import CModule
from lstmgen.targets.common.templates import set_into
from lstmgen.targets.common.wrapping import WIDTH

__all__ = ["c_text", "python_text"]


def python_text(module: CModule) -> str:
    """The Python module."""
    return set_into("c.py.j2", module)


def c_text(module: CModule) -> str:
    """The C text."""
    lines = set_into("c.c.j2", module).splitlines()
    return "\n".join(short for line in lines for short in _broken(line)) + "\n"


def _broken(line: str) -> Iterator[str]:
    """A statement in lines that are not too long, its comment above them if it has one."""
    if len(line) <= WIDTH or line.endswith("\\") or line.lstrip().startswith(("/", "(", "#")):
        yield line
        return
    code, _, comment = line.partition("  // ")
    margin = line[: len(line) - len(line.lstrip())]
    if comment:
        yield f"{margin}// {comment}"
    while len(code) > WIDTH:
        places = [m.end() for m in re.finditer(r", | (?=[-+*/] )", code[:WIDTH])]
        places = [p for p in places if p > len(margin) + 12]
        if not places:
            break
        yield code[: places[-1]].rstrip()
        code = f"{margin}    {code[places[-1] :]}"
    yield code
