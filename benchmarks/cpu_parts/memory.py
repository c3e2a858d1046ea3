"""Memory of one contender, measured in a process of its own.

    python -m benchmarks.cpu_parts.memory --cell lstm --size d --contender ours

prints JSON: what the process holds more after forward than before (y aside), and the most that it
held more in two training steps than before the first.  Linux only: the kernel's count of resident
pages is reset before and read after.  Large blocks go straight back to the system when they are
freed (MALLOC_MMAP_THRESHOLD_), so that earlier work does not hide later one.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.cpu_parts import one_thread

__all__ = ["available", "measure_apart"]

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")


def available() -> str | None:
    """Why memory cannot be measured here, or None."""
    if not _STATUS.is_file() or not os.access(_RESET, os.W_OK):
        return "memory is not measured: this needs Linux's /proc/self/status and clear_refs"
    return None


def measure_apart(cell: str, size: str, contender: str, timeout: float = 300) -> dict[str, Any]:
    """Bytes of a contender in float32, from a fresh process.

    Returns:
        "kept" (after forward, beside y; None where forward is no call of its own), "peak",
        "allocated" (for backward, touched or not; None where it cannot be asked).

    Raises:
        RuntimeError: the process failed; the message is its last line.
    """
    command = [sys.executable, "-m", "benchmarks.cpu_parts.memory"]
    command += ["--cell", cell, "--size", size, "--contender", contender]
    environment = os.environ | one_thread.ENVIRONMENT | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=environment,
        cwd=Path(__file__).resolve().parents[2],
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise RuntimeError(f"memory of {contender}, {cell} {size}: {lines[-1]}")
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


def _release() -> None:
    """Hand what is free back to the system, so that it is neither counted nor used again unseen."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim is not None:
        trim(0)


def _bytes(field: str) -> int:
    """VmRSS or VmHWM of this process."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {field} in {_STATUS}")


def _measure(cell: str, size_name: str, contender: str) -> dict[str, Any]:
    import lstmgen

    from .kinds import KINDS
    from .problem import make_problem
    from .sizes import SIZES, Size

    size, kind, shapes = SIZES[size_name], KINDS[contender], lstmgen.load(cell).parameters
    # Libraries load and start on a small problem first.
    small = kind.make(make_problem(cell, shapes, Size("small", 3, 2, 4, 5), "float32"))
    small.train()
    del small
    # What a run keeps and what it takes at most, each from an object that has not run before.
    kept = None
    problem = make_problem(cell, shapes, size, "float32")
    made = kind.make(problem)
    made.warm()
    if made.can_keep:
        _release()
        before = _bytes("VmRSS")
        held = made.keep()
        _release()
        kept = _bytes("VmRSS") - before - problem.dy.nbytes
        del held, made
    made = kind.make(problem)
    made.warm()
    _release()
    _RESET.write_text("5")
    before = _bytes("VmRSS")
    for _ in range(2):
        made.train()
    peak = _bytes("VmHWM") - before
    return {"kept": kept, "peak": peak, "allocated": kind.make(problem).allocated()}


def main() -> int:
    """Measure in this process and print the JSON."""
    parser = argparse.ArgumentParser(prog="memory", description="Memory of one contender.")
    parser.add_argument("--cell", required=True)
    parser.add_argument("--size", required=True)
    parser.add_argument("--contender", required=True)
    options = parser.parse_args()
    one_thread.pin()
    print(json.dumps(_measure(options.cell, options.size, options.contender)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
