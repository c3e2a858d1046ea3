"""`python -m tests.random_cells --cells 1000 --target numpy --seed 7`: many cells, one command."""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from lstmgen import Cell
from lstmgen.errors import EquationError
from lstmgen.verification.runners import Runner, build_runner

from .checking import Wrong, check
from .declaration import Declaration, read
from .families import every_family, families
from .making import random_cell
from .shrinking import shrink


def main(arguments: list[str] | None = None) -> int:
    """0 if every module is right, 1 if one is wrong, or if a family is not reached."""
    options = _parser().parse_args(arguments)
    if options.families:
        return _families(options.cells, options.seed)
    target = options.target

    def made(declaration: Declaration) -> tuple[Cell, Runner]:
        cell = declaration.cell()
        return cell, build_runner(cell, target, options.device)

    started = time.monotonic()
    if options.files:
        found = [(str(path), read(path), options.seed) for path in options.files]
    else:
        seeds = range(options.seed * 1_000_000, options.seed * 1_000_000 + options.cells)
        found = [(f"seed {seed}", random_cell(random.Random(seed)), seed) for seed in seeds]
    failures: dict[str, list[tuple[Declaration, int, str]]] = {}
    without: Counter[str] = Counter()
    comparisons = refused = 0
    for place, (name, declaration, seed) in enumerate(found, start=1):
        try:
            checked = check(*made(declaration), seed)
        except EquationError:
            refused += 1
            continue
        except Exception as error:
            failures.setdefault(kind(error), []).append((declaration, seed, _line(error)))
            print(f"{name}: {kind(error)}: {_line(error)}\n{_indented(declaration)}", flush=True)
            continue
        finally:
            if place % 25 == 0:
                wrong = sum(map(len, failures.values()))
                print(f"{place} of {len(found)}, {wrong} wrong", file=sys.stderr, flush=True)
        comparisons += checked.comparisons
        without.update(checked.without_a_point)
    wrong = sum(map(len, failures.values()))
    for failed in sorted(failures):
        declaration, seed, line = min(failures[failed], key=lambda f: len(str(f[0])))
        print(f"\n{len(failures[failed])} cells: {failed}; the smallest: {line}")
        if options.shrink:
            declaration, line = _shrunk(declaration, seed, failed, made, options.shrink, line)
        print(_indented(declaration))
        if options.save:
            _save(options.save, declaration, f"{target}: {line}", failed)
    print(
        f"\n{len(found) - refused} cells for {target}, {wrong} wrong, {refused} refused; "
        f"{comparisons} arrays compared in {time.monotonic() - started:.0f} s"
    )
    for name, count in sorted(without.items()):
        print(f"no well-conditioned point, {name}: {count} cells")
    return 1 if wrong else 0


def kind(error: Exception) -> str:
    """What kind of failure this is: two of a kind are likely to have one cause."""
    if not isinstance(error, Wrong):
        said = re.search(r"error: (.{30})", str(error))
        return " ".join([type(error).__name__, *([re.sub(r"\W+", " ", said[1])] if said else [])])
    what = re.search(r": (y|last|dparams|dx|dstate0|results) ?.*(off|shape|bits)", str(error))
    return "Wrong " + (" ".join(what.groups()) if what else str(error).partition(": ")[2][:40])


def _shrunk(
    declaration: Declaration,
    seed: int,
    failed: str,
    made: Callable[[Declaration], tuple[Cell, Runner]],
    seconds: float,
    line: str,
) -> tuple[Declaration, str]:
    lines = {declaration: line}

    def fails(smaller: Declaration) -> bool:
        try:
            check(*made(smaller), seed)
        except EquationError:
            return False
        except Exception as error:
            lines[smaller] = _line(error)
            return kind(error) == failed
        return False

    found = shrink(declaration, fails, seconds)
    return found, lines[found]


def _save(folder: Path, declaration: Declaration, about: str, failed: str) -> None:
    stem = re.sub(r"\W+", "_", f"{about.partition(':')[0]}_{failed}".lower()).strip("_")
    path, count = folder / f"{stem}.py", 1
    while path.exists():
        count += 1
        path = folder / f"{stem}_{count}.py"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(declaration.text(about.replace("\\", " ").replace('"', "'")), encoding="utf-8")
    print(f"written: {path}")


def _families(cells: int, seed: int) -> int:
    """How many of the cells each family has."""
    counts: Counter[str] = Counter()
    for k in range(seed * 1_000_000, seed * 1_000_000 + cells):
        try:
            counts.update(families(random_cell(random.Random(k)).cell()))
        except EquationError:
            counts["refused"] += 1
    missing = [family for family in every_family() if not counts[family]]
    for family in every_family():
        print(f"{counts[family]:6} {family}")
    for family in missing:
        print(f"not reached by {cells} cells: {family}", file=sys.stderr)
    return 1 if missing else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.random_cells", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="cell files instead of random cells")
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--target", default="numpy")
    parser.add_argument("--device", default="cpu", help="where modules run, such as cuda")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shrink", type=float, default=0, metavar="SECONDS", help="for each kind")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="for a file of each kind")
    parser.add_argument("--families", action="store_true", help="what the cells reach, unchecked")
    return parser


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _indented(declaration: Declaration) -> str:
    return "".join(f"    {line}\n" for line in str(declaration).splitlines())


if __name__ == "__main__":
    sys.exit(main())
