"""How long the compiler works on a generated module in C."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage

from .ours import module_of

__all__ = ["measure"]

MOST_ROUNDS = 5


def measure(cell: str, rounds: int) -> list[float]:
    """The processor's seconds of as many compiles in float32, with the module's own flags."""
    module = module_of(cell, "c", "none")
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "cell.c"
        text.write_text(module._text, encoding="utf-8")
        compiler = module._compiler()
        flags = module._flags(compiler, "f")
        command = [*compiler, *flags, "-o", f"{folder}/cell.so", str(text), "-lm"]
        for _ in range(min(rounds, MOST_ROUNDS)):
            before = getrusage(RUSAGE_CHILDREN)
            subprocess.run(command, check=True)
            after = getrusage(RUSAGE_CHILDREN)
            seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return seconds
