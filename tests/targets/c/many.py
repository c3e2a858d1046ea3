"""`python -m tests.targets.c.many --cells 200 --seed 5`: random cells, kept and recomputed in turn.

Each is compiled in one of several ways: as it is for this processor, other vectors, tiles of one
row, weights used as they lie, weights fetched ahead, inputs added where they would not be.
`--library` takes the built-in cells too.  `--sanitize` compiles for AddressSanitizer, which knows
where NumPy's arrays end and so finds what reads or writes behind them, and for
UndefinedBehaviorSanitizer; both end the process where they find something.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from lstmgen import Cell

LEAN = ("-O0", "-DTILE_ROWS=1", "-DVECTOR_BYTES=32")
"""Compiles in a fifth of the time; tiles have one row."""
WAYS = (
    LEAN,
    ("-O0", "-DTILE_ROWS=4", "-DVECTOR_BYTES=16", "-DFAR=0", "-DTERMS=8"),
    ("-O0", "-DTILE_ROWS=1", "-DVECTOR_BYTES=64", "-DTOGETHER=1", "-DPACKED=1000000", "-Wno-psabi"),
    ("-O0",),
)
"""Other vectors; weights used as they lie; inputs added in the same sum as the state; the tiles of
this processor, with AVX-512 of eight rows, which a call of a few steps has."""
SANITIZE = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined")


INSTRUCTIONS = {
    "sse2": "-march=x86-64",
    "avx2": "-march=x86-64-v3",
    "avx512f": "-march=x86-64-v4",
}
"""What the text has a width of vectors for, as /proc/cpuinfo names it, and the flag for it."""


def runs(name: str) -> bool:
    """Whether this machine has the instructions."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return name in text


@dataclass(frozen=True)
class Way:
    """How a cell is built and checked."""

    flags: tuple[str, ...]
    recompute: str
    dtype: str


def way(k: int) -> Way:
    """That of the k-th cell: sixteen of them have every way, kept and recomputed, in each dtype."""
    n = len(WAYS)
    return Way(WAYS[k % n], ("none", "all")[k // n % 2], ("float32", "float64")[k // n // 2 % 2])


def module_of(cell: Cell | str, *flags: str, **options: str) -> ModuleType:
    """A cell's module, compiled with more flags when it is used."""
    import lstmgen
    from lstmgen.targets import get
    from lstmgen.targets.rendering import files

    cell = lstmgen.load(cell) if isinstance(cell, str) else cell
    found = get("c").load(files(cell, "c", **options), "cpu")
    vars(found)["_FLAGS"] = (*found._FLAGS, *flags)
    return found


def sanitized(arguments: list[str]) -> int:
    """Run this again in a process in which the sanitizers can work."""
    libraries = [
        subprocess.run(
            ["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
        ).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    environment = os.environ | {
        "LD_PRELOAD": ":".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0",  # Python's own
        "CC": "env -u LD_PRELOAD gcc",
        "LSTMGEN_SANITIZED": "1",
    }
    command = [sys.executable, "-m", "tests.targets.c.many", *arguments]
    print(shlex.join(command), file=sys.stderr)
    return subprocess.run(command, env=environment).returncode


def _cells(options: argparse.Namespace) -> Iterator[tuple[str, Cell, int]]:
    if options.library:
        import lstmgen
        from lstmgen.library.files import built_in_names

        wanted = options.library if options.library != ["all"] else built_in_names()
        for k, name in enumerate(wanted):
            yield name, lstmgen.load(name), k
    from tests.random_cells.making import random_cell

    for seed in range(options.seed * 1_000_000, options.seed * 1_000_000 + options.cells):
        declaration = random_cell(random.Random(seed))
        yield f"seed {seed}\n{declaration}", declaration.cell(), seed


def parsed(arguments: list[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m tests.targets.c.many", description=__doc__)
    parser.add_argument("--cells", type=int, default=0, help="how many random cells")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--library", nargs="+", metavar="NAME", help="built-in cells, or all")
    parser.add_argument("--sanitize", action="store_true")
    parser.add_argument(
        "--plant", nargs=2, metavar=("OLD", "NEW"), help="a fault, to see that it is found"
    )
    return parser.parse_args(arguments)


def main() -> int:
    """0 if all are right."""
    given = sys.argv[1:]
    options = parsed(given)
    if options.sanitize and "LSTMGEN_SANITIZED" not in os.environ:
        return sanitized(given)

    from lstmgen.errors import EquationError
    from lstmgen.targets import get
    from tests.random_cells.checking import check

    started, wrong, count, comparisons = time.monotonic(), 0, 0, 0
    for k, (name, cell, seed) in enumerate(_cells(options)):
        how = way(k)
        flags = how.flags + (SANITIZE if options.sanitize else ())
        try:
            module = module_of(cell, *flags, recompute=how.recompute)
            if options.plant:
                assert options.plant[0] in module._text
                vars(module)["_text"] = module._text.replace(*options.plant)
            runner = get("c").runner(module)
            more = {"dtypes": (how.dtype,)} if options.sanitize else {}
            comparisons += check(cell, runner, seed, **more).comparisons
            count += 1
        except EquationError:
            continue
        except Exception as error:
            wrong += 1
            print(f"{name}\n  recompute {how.recompute}, {' '.join(flags)}: {error}", flush=True)
        if (k + 1) % 25 == 0:
            print(f"{k + 1}, {wrong} wrong", file=sys.stderr, flush=True)
    print(
        f"{count} cells right, {wrong} wrong, {comparisons} arrays compared "
        f"in {time.monotonic() - started:.0f} s"
    )
    return 1 if wrong or not comparisons else 0


if __name__ == "__main__":
    sys.exit(main())
