"""Whether there is a C compiler here, found as the generated modules find it."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys

from lstmgen.errors import UnavailableError
from lstmgen.targets.requirement import Requirement

__all__ = ["CURE", "command", "requirement"]

CURE = "pip install ziglang, or gcc or clang from the system's packages"


def command() -> list[str] | None:
    """The command of the compiler that modules use; None where there is none."""
    if os.environ.get("CC"):
        words = shlex.split(os.environ["CC"])
        return words if words and shutil.which(words[0]) else None
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            return [name]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    return None


def requirement() -> Requirement:
    """The compiler, for `lstmgen doctor`."""
    return Requirement("C compiler", _look, "running and verifying C modules", CURE)


def _look() -> str | None:
    found = command()
    if found is None:
        if os.environ.get("CC"):
            raise UnavailableError(f"there is no $CC, {os.environ['CC']!r}")
        return None
    done = subprocess.run(
        [*found, "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    return f"{shlex.join(found)}: {(done.stdout.splitlines() or ['of unknown version'])[0]}"
