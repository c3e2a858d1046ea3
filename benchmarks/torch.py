"""Race lstmgen.torch.Recurrent against torch's own layers, an eager loop and a bare Function.

    python -m benchmarks.torch              everything (some ten minutes)
    python -m benchmarks.torch --show       and put it into README.md and docs/torch.md
    python -m benchmarks.torch --quick      fewer sizes and rounds, in a minute
    python -m benchmarks.torch --cells lstm,peephole --sizes ab
    python -m benchmarks.torch --device cuda      on a CUDA device, in at most --seconds (80)

One process, one core, one thread, float32.  In float64 all must compute the same first; then they
are timed in turn.  Training is forward and backward with the gradients of everything, inference
forward in inference_mode.  "packed" has T=1000, B=32, H=D=64 and lengths drawn uniformly from 1 to
T; "bare" is an autograd.Function of a few lines around the same module, without anything that the
layer does besides.  Results go to benchmarks/results/ as JSON and as a table.

On a CUDA device nothing is pinned, times are wall time until the device is done, and a race that
fails says so in its line.

Exit status: 0 measured, 1 they do not compute the same (on a CUDA device: some race failed), 2
usage, 4 no CUDA device.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cpu_parts import one_thread

__all__ = ["main"]

OPPONENTS = {
    "lstm": "nn.LSTM",
    "gru_reset_after": "nn.GRU",
    "rnn": "nn.RNN",
    "peephole": "eager loop",
}
LENGTHS = (1000, 32, 64, 64)
SMALL = (10, 1, 8, 8)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the results; gives the exit status."""
    options = _parser().parse_args(arguments)
    if options.show and (options.quick or options.cells or options.sizes):
        print("torch: --show: pages show whole runs, of all cells and sizes", file=sys.stderr)
        return 2
    if options.device == "cuda":
        return _on_device(options)
    core = one_thread.pin()
    import torch

    torch.set_num_threads(1)
    from benchmarks.cpu_parts.agreement import Disagreement
    from benchmarks.cpu_parts.files import write
    from benchmarks.torch_parts.report import text

    try:
        document = _run(options, core)
    except ValueError as error:
        print(f"torch: {error}", file=sys.stderr)
        return 2
    except Disagreement as error:
        print(f"torch: {error}; nothing more is measured", file=sys.stderr)
        return 1
    table = text(document)
    print(table, end="")
    paths = write(document, options.output, "torch", table)
    for path in paths:
        print(f"wrote {path}", file=sys.stderr)
    if options.show:
        from benchmarks import readme

        return readme.main([str(paths[0])])
    return 0


def _parser() -> argparse.ArgumentParser:
    from benchmarks.cpu_parts.files import RESULTS

    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.torch",
        description="Race lstmgen.torch.Recurrent against torch's own layers on one core.",
    )
    parser.add_argument("--quick", action="store_true", help="fewer sizes and rounds")
    parser.add_argument("--cells", help=f"of {', '.join(OPPONENTS)}, separated by commas")
    parser.add_argument("--sizes", help="letters of the sizes, such as abc")
    parser.add_argument("--show", action="store_true", help="put the figures into the pages")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--seconds", type=float, default=80, help="for all races on a CUDA device")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    return parser


def _on_device(options: argparse.Namespace) -> int:
    """All races on a CUDA device; gives the exit status."""
    import torch

    if not torch.cuda.is_available():
        print("torch: there is no CUDA device here", file=sys.stderr)
        return 4
    from benchmarks.cpu_parts import machine
    from benchmarks.cpu_parts.files import write
    from benchmarks.cpu_parts.sizes import SIZES
    from benchmarks.torch_parts import on_device

    device = torch.device("cuda", torch.cuda.current_device())
    try:
        cells, sizes = _chosen(options)
    except ValueError as error:
        print(f"torch: {error}", file=sys.stderr)
        return 2
    opponents = {cell: (OPPONENTS[cell], _opponent(cell)) for cell in cells}
    races = list(on_device.races(opponents, sizes, _problem, device, options.seconds))
    document = {
        "schema": 1,
        "date": machine.today(),
        "device": on_device.describe(device),
        "versions": machine.versions(),
        "target": "cupy",
        "opponents": {cell: OPPONENTS[cell] for cell in cells},
        "quick": options.quick,
        "sizes": {name: SIZES[name].symbols() for name in sizes},
        "races": races,
    }
    table = on_device.text(document)
    print(table, end="")
    name = re.sub(r"[^a-z0-9]+", "-", f"torch-{document['device']['name']}".lower()).strip("-")
    for path in write(document, options.output, name, table):
        print(f"wrote {path}", file=sys.stderr)
    return int(any("error" in record for record in races))


def _chosen(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """The cells and the sizes that are asked for.

    Raises:
        ValueError: there is no such cell or size.
    """
    from benchmarks.cpu_parts.sizes import SIZES

    cells = options.cells.split(",") if options.cells else list(OPPONENTS)
    sizes = list(options.sizes or ("ab" if options.quick else SIZES))
    for kind, names, known in (("cell", cells, OPPONENTS), ("size", sizes, SIZES)):
        for name in names:
            if name not in known:
                raise ValueError(f"there is no {kind} {name!r}; there are {', '.join(known)}")
    return cells, sizes


def _run(options: argparse.Namespace, core: int | None) -> dict[str, Any]:
    """All races.

    Raises:
        ValueError: there is no such cell or size.
        Disagreement: two contenders do not compute the same.
    """
    from benchmarks.cpu_parts import machine
    from benchmarks.cpu_parts.clock import Effort
    from benchmarks.cpu_parts.sizes import SIZES, Size
    from benchmarks.torch_parts.contenders import Bare, Layer, Packed, random_lengths
    from lstmgen.torch import Recurrent

    cells, sizes = _chosen(options)
    effort = Effort(5, 0.005, 1.0) if options.quick else Effort(21, 0.02, 15.0)
    (engine,) = Recurrent("rnn", 1, 1)._engines.values()
    races: list[dict[str, Any]] = []

    def race(cell: str, against: str, mode: str, size: Size, calls: dict[str, Any]) -> None:
        print(f"{cell} {against} {mode} {size}", file=sys.stderr, flush=True)
        races.append(
            {"cell": cell, "against": against, "mode": mode, "size": str(size)}
            | _timed(calls, effort)
        )

    for cell in cells:
        theirs = _opponent(cell)
        _agree(cell, {"layer": Layer, OPPONENTS[cell]: theirs, "bare": Bare})
        for name in sizes:
            both = [make(_problem(cell, SIZES[name])) for make in (Layer, theirs)]
            for mode, method in (("training", "train"), ("inference", "infer")):
                calls = {
                    k: getattr(m, method) for k, m in zip(("ours", "other"), both, strict=True)
                }
                race(cell, OPPONENTS[cell], mode, SIZES[name], calls)
        for size in (Size("small", *SMALL), SIZES["a"], SIZES["b"]):
            problem = _problem(cell, size)
            calls = {"ours": Layer(problem).train, "other": Bare(problem).train}
            race(cell, "bare Function", "training", size, calls)
        if OPPONENTS[cell].startswith("nn."):
            T = 50 if options.quick else LENGTHS[0]
            size = Size("lengths", T, *LENGTHS[1:])
            problem, lengths = _problem(cell, size), random_lengths(T, size.B)
            ours = {way: Packed(problem, lengths, way) for way in ("packed", "lengths", "padded")}
            packed = Packed(problem, lengths, "torch packed")
            for way, mine in ours.items():
                calls = {"ours": mine.train, "other": packed.train}
                race(cell, f"packed, by {way}", "training", size, calls)
    return {
        "schema": 1,
        "date": machine.today(),
        "machine": machine.describe(core),
        "versions": machine.versions(),
        "target": engine.target,
        "opponents": {cell: OPPONENTS[cell] for cell in cells},
        "quick": options.quick,
        "sizes": {name: SIZES[name].symbols() for name in sizes},
        "races": races,
    }


def _opponent(cell: str) -> Callable[[Any], Any]:
    from benchmarks.cpu_parts.torch_layers import TorchLayer
    from benchmarks.cpu_parts.torch_loop import TorchPeepholeLoop

    return TorchLayer if OPPONENTS[cell].startswith("nn.") else TorchPeepholeLoop


def _problem(cell: str, size: Any, dtype: str = "float32") -> Any:
    import lstmgen
    from benchmarks.cpu_parts.problem import make_problem

    return make_problem(cell, lstmgen.load(cell).parameters, size, dtype)


def _agree(cell: str, kinds: dict[str, Callable[[Any], Any]]) -> None:
    """See to it that all compute the same, in float64.

    Raises:
        Disagreement: they do not.
    """
    from benchmarks.cpu_parts.agreement import FLOAT64, require_agreement
    from benchmarks.cpu_parts.sizes import Size

    problem = _problem(cell, Size("check", 7, 3, 5, 6), "float64")
    expected = kinds["layer"](problem).results()
    for name, make in kinds.items():
        require_agreement(name, make(problem).results(), expected, FLOAT64)


def _timed(calls: dict[str, Any], effort: Any) -> dict[str, Any]:
    from statistics import median

    from benchmarks.cpu_parts.clock import in_turn, ratio

    samples = in_turn(calls, effort)
    return {"ratio": ratio(samples["other"], samples["ours"]), "seconds": median(samples["ours"])}


if __name__ == "__main__":
    sys.exit(main())
