"""C modules that count which statements of their C text run."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lstmgen.targets.common.counters import ARRAY, compiled, count_statements
from lstmgen.targets.target import Counters, Runner, Target, module_text

__all__ = ["counters"]

_LETTERS = "fd"


def counters(target: Target, runner: Runner) -> Counters | None:
    """The module again, with counters; None where its text is not known."""
    python = module_text(runner.module)
    text = getattr(runner.module, "_text", None)
    if not python or not hasattr(runner.module, "_flags"):
        return None
    file = str(runner.module.__file__)
    if text is None:
        text = Path(file).with_suffix(".c").read_text(encoding="utf-8")
    counted = count_statements(text)
    source = f"unsigned char {ARRAY}[{max(1, len(counted.places))}];\n{counted.text}"
    name = f"{runner.module.CELL}_{target.name}"
    module: Any = target.load({f"{name}.py": python, f"{name}.c": source}, runner.device)
    vars(module)["_FLAGS"] = (*module._FLAGS, "-O1")
    there: set[int] = set()
    for letter in _LETTERS:
        text = _preprocessed(module, source, letter)
        there |= compiled(counted, text, module._SYMBOL.partition("{")[0])

    def never() -> Sequence[str]:
        ran: set[int] = set()
        for letter in _LETTERS:
            library = ctypes.CDLL(str(module._compiled(letter)))
            array = (ctypes.c_ubyte * len(counted.places)).in_dll(library, ARRAY)
            ran |= {k for k, one in enumerate(array) if one}
        return [f"{name}.c, {counted.places[k]}" for k in sorted(there - ran)]

    return Counters(replace(runner, module=module), never)


def _preprocessed(module: Any, source: str, letter: str) -> str:
    """The text that is compiled for a dtype, without what it includes."""
    command = module._compiler()
    flags = [flag for flag in module._flags(command, letter) if flag != "-shared"]
    command = [*command, *flags, "-E", "-x", "c", "-"]
    done = subprocess.run(command, input=source, capture_output=True, text=True, check=True)
    lines, own = [], True
    for line in done.stdout.splitlines():
        if line.startswith("# "):  # of which file the next lines are
            own = '"<stdin>"' in line
        elif own:
            lines.append(line)
    return "\n".join(lines)
