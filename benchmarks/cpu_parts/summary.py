"""A run of the benchmark as Markdown: all of it for docs/speed.md, a few rows for the README."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .machine import file_name

__all__ = ["markdown", "page", "short", "wrapped"]

_SPEC = "{name} {T}, {B}, {D}, {H}"
_RIVALS = ("torch", "torch-loop-fused", "ours-numpy")


def short(document: Mapping[str, Any]) -> str:
    """What the README says of a run: training in float32 of the cells that PyTorch computes too."""
    machine = document["machine"]
    measured = (
        "What a training step takes, forward and backward with all gradients: the time of PyTorch, "
        f"or of the module for NumPy, over that of the {document['contenders']['ours']}, above 1 "
        "the latter is faster. float32, one "
        f"core of {machine['processor']} ({machine['vectors']}), {document['date']}; by T, B, D, H."
    )
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    records = [r for r in document["training"] if r["dtype"] == "float32"]
    cells = {r["cell"] for r in records if r["contender"] in _RIVALS[:2]}
    for record in records:
        if record["cell"] in cells and record["contender"] in _RIVALS:
            key = record["cell"], document["contenders"][record["contender"]]
            rows.setdefault(key, {})[record["size"]] = f"{record['ratio']['median']:.2f}"
    heads = {n: _SPEC.format(name="", **size).strip() for n, size in document["sizes"].items()}
    return "\n\n".join(("\n".join(wrapped(measured)), _table(("cell", "against"), heads, rows)))


def page(document: Mapping[str, Any]) -> str:
    """What docs/speed.md says: how a run was measured, all ratios, and the other figures."""
    machine = document["machine"]
    sizes = "; ".join(_SPEC.format(name=n, **size) for n, size in document["sizes"].items())
    ratios = [r["ratio"] for r in document["training"] if r["ratio"] is not None]
    spread = statistics.median((r["quartile_3"] - r["quartile_1"]) / r["median"] for r in ratios)
    measured = (
        "What a training step takes, forward and backward with the gradients of everything: the "
        f"time of others over that of the {document['contenders']['ours']}, above 1 the module is "
        f"faster. One thread pinned to one core of {machine['processor']} ({machine['vectors']}, "
        f"{machine['cores']} cores), {document['date']}, medians of one run in float32 where not "
        f"said otherwise; the middle half of the rounds behind a ratio spans {100 * spread:.0f} % "
        f"of it as a rule. By T, B, D, H: {sizes}."
    )
    stem = f"../benchmarks/results/{file_name(machine, 'cpu')}"
    drawing = f"![The ratios of training with their quartiles, on a logarithmic axis]({stem}.svg)"
    whole = f"[The whole table]({stem}.txt) has what was aimed at and missed too."
    parts = (measured, markdown(document), drawing, *_others(document), whole)
    return "\n\n".join(p if p.startswith("|") else "\n".join(wrapped(p)) for p in parts)


def markdown(document: Mapping[str, Any]) -> str:
    """A row for each cell and contender, a column for each size: its time over ours.

    Args:
        document: what a run wrote as JSON.
    """
    names = document["contenders"]
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for kind, suffix in (("training", ""), ("forward", ", forward alone")):
        for record in document[kind]:
            if record["ratio"] is None or record["contender"] == "ours-recompute":
                continue
            if suffix and record["contender"] not in ("torch", "ours-numpy"):
                continue
            against = names[record["contender"]]
            if record["dtype"] != "float32":
                against += f", {record['dtype']}"
            key = record["cell"] + suffix, against
            rows.setdefault(key, {})[record["size"]] = f"{record['ratio']['median']:.2f}"
    return _table(("cell", "against"), _letters(document), rows)


def _letters(document: Mapping[str, Any]) -> dict[str, str]:
    return {name: name for name in document["sizes"]}


def _table(
    heads: Sequence[str],
    sizes: Mapping[str, str],
    rows: Mapping[tuple[str, ...], Mapping[str, str]],
) -> str:
    """The columns are headed by the values of `sizes`."""
    lines = [
        f"| {' | '.join((*heads, *sizes.values()))} |",
        f"|{'---|' * len(heads)}{'--:|' * len(sizes)}",
    ]
    for key, figures in rows.items():
        lines.append(f"| {' | '.join((*key, *(figures.get(size, '') for size in sizes)))} |")
    return "\n".join(lines)


def _others(document: Mapping[str, Any]) -> Iterator[str]:
    """The share of the peak, and sentences: steps, threads, activations, memory."""
    shares: dict[tuple[str, ...], dict[str, str]] = {}
    for record in document["training"]:
        if record["contender"] == "ours" and record["dtype"] == "float32":
            share = f"{100 * record['share_of_peak']:.0f} %"
            shares.setdefault((record["cell"],), {})[record["size"]] = share
    if document.get("multiply_add_flops_per_second"):
        yield "The share of the multiply-add units' peak that a training step reaches:"
        yield _table(("cell",), _letters(document), shares)
    said = []
    steps = {(r["cell"], r["contender"]): r["seconds"]["median"] for r in document["step"]}
    for (cell, contender), seconds in steps.items():
        if contender == "ours" and (cell, "torch") in steps:
            said.append(f"{cell} {1e6 * seconds:.1f} µs (torch {1e6 * steps[cell, 'torch']:.0f})")
    if said:
        yield f"A step at B = 1, D = H = 32: {', '.join(said)}."
    threads = {
        (r["size"], r["contender"], r["threads"]): r["seconds"]["median"]
        for r in document.get("threads", [])
    }
    said = []
    for (size, contender, n), seconds in threads.items():
        if (contender, n) == ("ours", 2):
            text = f"{size} {threads[size, 'ours', 1] / seconds:.2f} times one"
            if (size, "torch", 2) in threads:
                text += f", {threads[size, 'torch', 2] / seconds:.2f} times torch with two"
            said.append(text)
    if said:
        yield f"Two threads, speed of training: {'; '.join(said)}."
    said = [
        f"{r['function']} {1e9 * r['seconds']['median']:.2f} ns ({r['dtype']})"
        for r in document.get("activations", [])
    ]
    if said:
        yield f"An activation takes a number: {', '.join(said)}."
    said = [f"{r['cell']} {r['seconds']['median']:.1f} s" for r in document.get("compiling", [])]
    if said:
        yield f"Compiling a module, one dtype, takes the processor: {', '.join(said)}."
    kept = {
        r["cell"]: f"{r['kept_floats']:.1f} (at most {r['peak_floats']:.1f} in training)"
        for r in document["memory"]
        if r["contender"] == "ours" and r["kept_bytes"] is not None
    }
    if kept:
        listed = ", ".join(f"{cell} {floats}" for cell, floats in kept.items())
        yield f"Floats a step, unit and row that are kept for the gradient: {listed}."


def wrapped(text: str) -> list[str]:
    """Lines of at most 100 characters."""
    lines = [""]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > 100:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines
