"""The same races on a CUDA device: the layer against cuDNN's and an eager loop."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import torch

from benchmarks.cpu_parts.agreement import FLOAT64, require_agreement
from benchmarks.cpu_parts.clock import ratio
from benchmarks.cpu_parts.problem import Problem
from benchmarks.cpu_parts.sizes import SIZES, Size
from benchmarks.torch_parts.contenders import Layer

__all__ = ["describe", "moved", "races", "text"]

Make = Callable[[Problem], Any]


def moved(contender: Any, device: torch.device) -> Any:
    """A contender with all its tensors on the device."""
    if hasattr(contender, "layer"):
        names = {id(p): name for name, p in contender.layer.named_parameters()}
        order = [names[id(weight)] for weight in contender.weights]
        contender.layer.to(device)
        there = dict(contender.layer.named_parameters())
        contender.weights = [there[name] for name in order]
    else:
        contender.parameters = {
            name: value.detach().to(device).requires_grad_()
            for name, value in contender.parameters.items()
        }
    contender.x = contender.x.detach().to(device).requires_grad_()
    contender.dy = contender.dy.to(device)
    if hasattr(contender, "leaves"):
        contender.leaves = [contender.x, *contender.parameters.values()]
    return contender


def races(
    cells: Mapping[str, tuple[str, Make]],
    sizes: Sequence[str],
    problem: Callable[..., Problem],
    device: torch.device,
    seconds: float,
) -> Iterator[dict[str, Any]]:
    """A record for each cell, size and mode; one that fails says why, and the next goes on.

    Args:
        cells: by its name what it is compared with, and what makes that.
        sizes: letters of the sizes.
        problem: makes the problem of a cell at a size, in a dtype.
        device: where all is computed.
        seconds: for all of them; what comes later is left out and says so.
    """
    end = time.perf_counter() + seconds
    share = seconds / (2 * len(cells) * len(sizes) + len(cells)) / 2
    for cell, (against, make) in cells.items():
        why = None
        try:
            check = Size("check", 7, 3, 5, 6)
            ours, theirs = (
                moved(kind(problem(cell, check, "float64")), device).results()
                for kind in (Layer, make)
            )
            require_agreement(against, theirs, ours, FLOAT64)
        except Exception as error:  # whatever it is, the other cells are measured
            why = _reason(error)
        for name in sizes:
            both: list[Any] = []
            for mode, method in (("training", "train"), ("inference", "infer")):
                record = {"cell": cell, "against": against, "mode": mode, "size": str(SIZES[name])}
                print(f"{cell} {against} {mode} {SIZES[name]}", file=sys.stderr, flush=True)
                late = f"left out: {seconds:g} s were over" if time.perf_counter() > end else None
                if why or late:
                    yield record | {"error": why or late}
                    continue
                try:
                    if not both:
                        given = problem(cell, SIZES[name], "float32")
                        both = [moved(kind(given), device) for kind in (Layer, make)]
                    yield record | _timed(*(getattr(m, method) for m in both), share)
                except Exception as error:
                    yield record | {"error": _reason(error)}
            both.clear()
            torch.cuda.empty_cache()


def _timed(ours: Callable[[], Any], other: Callable[[], Any], share: float) -> dict[str, Any]:
    """Wall time between synchronisations, in turn, of at least three rounds."""
    calls = {"ours": ours, "other": other}
    repeats = {}
    for name, call in calls.items():
        _seconds(call, 2)
        repeats[name] = max(1, min(100, round(0.02 / _seconds(call, 1))))
    samples: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + share
    while len(samples["ours"]) < 3 or (time.perf_counter() < end and len(samples["ours"]) < 21):
        for name, call in calls.items():
            samples[name].append(_seconds(call, repeats[name]))
    return {
        "ratio": ratio(samples["other"], samples["ours"]),
        "seconds": median(samples["ours"]),
        "other_seconds": median(samples["other"]),
    }


def _seconds(call: Callable[[], Any], repeats: int) -> float:
    """Seconds a call, until the device is done."""
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        call()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / repeats


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:300]


def describe(device: torch.device) -> dict[str, Any]:
    """The device and the versions that matter there."""
    import cupy

    return {
        "name": torch.cuda.get_device_name(device),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "cupy": cupy.__version__,
    }


def text(document: Mapping[str, Any]) -> str:
    """All figures: ratios with their quartiles, and the times of both."""
    device = document["device"]
    lines = [
        f"lstmgen.torch.Recurrent, computed by {document['target']}, on {device['name']}, "
        f"{document['date']}",
        ", ".join(f"{k} {v}" for k, v in {**document["versions"], **device}.items() if k != "name"),
        "the other's time over the layer's: median of the rounds (quartiles), ms of the layer, of "
        "the other; cuDNN as torch sets it",
        "",
    ]
    for record in document["races"]:
        start = (
            f"{record['cell']:16} {record['against']:12} {record['mode']:9} {record['size']:22} "
        )
        if "error" in record:
            lines.append(start + record["error"])
            continue
        spread = record["ratio"]
        quartiles = f"({spread['quartile_1']:.2f} to {spread['quartile_3']:.2f})"
        times = f"{1000 * record['seconds']:9.3f} {1000 * record['other_seconds']:9.3f} ms"
        lines.append(f"{start}{spread['median']:6.2f} {quartiles:16} {times}")
    return "\n".join(lines) + "\n"
