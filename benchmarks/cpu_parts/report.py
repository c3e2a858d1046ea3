"""The results as text: tables with ratios, targets and the share of the floor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = ["headline", "missed", "text"]

Record = Mapping[str, Any]


def text(document: Mapping[str, Any]) -> str:
    """All tables; a ratio above 1 means that ours is faster."""
    parts = [headline(document)]
    for kind, title in (
        ("training", "Forward and backward, gradients of all parameters and of x"),
        ("forward", "Forward alone, nothing kept"),
    ):
        parts.append(f"{title}\n{_times(document, document[kind])}")
    if document["step"]:
        parts.append(f"One step, B = 1, D = H = 32, float32\n{_steps(document['step'])}")
    if document["memory"]:
        parts.append(f"Memory, float32\n{_memory(document['memory'])}")
    if document.get("threads"):
        parts.append(f"Two threads, forward and backward, float32\n{_threads(document['threads'])}")
    if document.get("activations"):
        parts.append(f"Activations\n{_activations(document['activations'])}")
    if document.get("compiling"):
        parts.append(f"Compiling a module, one dtype\n{_compiling(document['compiling'])}")
    parts.append(_summary(document))
    return "\n\n".join(parts) + "\n"


def headline(document: Mapping[str, Any]) -> str:
    """Machine, versions and date, what was left out, and what the columns mean."""
    machine, rates = document["machine"], document["gemm_flops_per_second"]
    pinned = machine["pinned_to_core"]
    where = "not pinned" if pinned is None else f"pinned to core {pinned}"
    versions = ", ".join(f"{name} {v}" for name, v in document["versions"].items())
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['vectors']}; one thread, "
        f"{where}; {document['date']}{'; a quick run' if document['quick'] else ''}",
        versions,
        "best rate of np.dot: "
        + ", ".join(f"{rate / 1e9:.1f} GFLOP/s {dtype}" for dtype, rate in rates.items()),
        *_multiply_add(document),
        *document["left_out"],
    ]
    if document["agreement"]:
        worst = max(record["deviation"] for record in document["agreement"])
        lines.append(
            f"all contenders compute the same in float64, to {worst:.1g} of the largest value"
        )
    lines.append(
        "ratio: time over ours, median and quartiles of the rounds' ratios; above 1, ours is\n"
        "faster.  floor: share of the time that the matrix products alone take at np.dot's rate\n"
        "for their shapes; peak: the same at the best rate, of np.dot or of the multiply-add units."
    )
    return "\n".join(lines)


def _multiply_add(document: Mapping[str, Any]) -> list[str]:
    rates = document.get("multiply_add_flops_per_second", {})
    known = [f"{rate / 1e9:.1f} GFLOP/s {dtype}" for dtype, rate in rates.items() if rate]
    return [f"multiply-add units: {', '.join(known)}"] if known else []


def missed(document: Mapping[str, Any]) -> list[str]:
    """Targets that were not reached, a line each."""
    lines = [
        f"{r['cell']} {r['size']} against {r['contender']} ({r['dtype']}): "
        f"{r['ratio']['median']:.2f}, wanted {r['target']:g}"
        for r in document["training"]
        if r.get("reached") is False and "target" in r
    ]
    lines += [
        f"{r['cell']} {r['size']}: {r['share_of_peak']:.0%} of the peak, "
        f"wanted {r['target_share']:.0%}"
        for r in document["training"]
        if r.get("reached") is False and "target_share" in r
    ]
    lines += [
        f"{r['cell']} {r['size']} forward alone against {r['contender']}: "
        f"{r['ratio']['median']:.2f}, wanted {r['target']:g}"
        for r in document["forward"]
        if r.get("reached") is False
    ]
    lines += [
        f"{r['cell']} {r['size']} with two threads: {r['gain']:.2f} times one, "
        f"wanted {r['target']:g}"
        for r in document.get("threads", [])
        if r.get("reached") is False
    ]
    lines += [
        f"{r['cell']} step: {1e6 * r['seconds']['median']:.1f} us, "
        f"wanted {1e6 * r['target_seconds']:g} us"
        for r in document["step"]
        if r.get("reached") is False
    ]
    lines += [
        f"{r['function']} in {r['dtype']}: {1e9 * r['seconds']['median']:.2f} ns, "
        f"wanted {1e9 * r['target_seconds']:g} ns"
        for r in document.get("activations", [])
        if r.get("reached") is False
    ]
    lines += [
        f"{r['cell']} compiled: {r['seconds']['median']:.2f} s, wanted {r['target_seconds']:g} s"
        for r in document.get("compiling", [])
        if r.get("reached") is False
    ]
    return lines


def _summary(document: Mapping[str, Any]) -> str:
    kinds = ("training", "forward", "step", "threads", "activations", "compiling")
    records = [record for kind in kinds for record in document.get(kind, [])]
    wanted = sum("reached" in record for record in records)
    lines = missed(document)
    if not wanted:
        return "No target belongs to what was measured."
    head = f"{wanted - len(lines)} of {wanted} targets reached"
    return "\n".join([f"{head}; not reached:" if lines else f"{head}.", *lines])


def _times(document: Mapping[str, Any], records: Sequence[Record]) -> str:
    rows = [("cell", "T,B,D,H", "dtype", "contender", "ms", "quartiles", "ratio", "", "target",
             "", "floor", "peak")]  # fmt: skip
    for r in records:
        sizes = ",".join(str(v) for v in document["sizes"][r["size"]].values())
        seconds, ratio = r["seconds"], r["ratio"]
        low, high = 1e3 * seconds["quartile_1"], 1e3 * seconds["quartile_3"]
        rows.append(
            (
                r["cell"],
                f"{r['size']} ({sizes})",
                r["dtype"],
                r["contender"],
                f"{1e3 * seconds['median']:.4g}",
                f"{low:.4g}..{high:.4g}",
                f"{ratio['median']:.2f}" if ratio else "",
                f"{ratio['quartile_1']:.2f}..{ratio['quartile_3']:.2f}" if ratio else "",
                _wanted(r),
                {True: "reached", False: "missed", None: ""}[r.get("reached")],
                f"{r['share_of_floor']:.0%}",
                f"{r['share_of_peak']:.0%}",
            )
        )
    return columns(rows)


def _wanted(r: Record) -> str:
    """A ratio, or a share of the peak."""
    if "target_share" in r:
        return f"{r['target_share']:.0%}"
    return f"{r['target']:g}" if "target" in r else ""


def _steps(records: Sequence[Record]) -> str:
    rows = [("cell", "contender", "us", "quartiles", "target", "")]
    for r in records:
        seconds = r["seconds"]
        low, high = 1e6 * seconds["quartile_1"], 1e6 * seconds["quartile_3"]
        rows.append(
            (
                r["cell"],
                r["contender"],
                f"{1e6 * seconds['median']:.4g}",
                f"{low:.4g}..{high:.4g}",
                f"{1e6 * r['target_seconds']:g}" if "target_seconds" in r else "",
                {True: "reached", False: "missed", None: ""}[r.get("reached")],
            )
        )
    return columns(rows)


def _memory(records: Sequence[Record]) -> str:
    rows = [
        (
            "cell",
            "size",
            "contender",
            "kept MiB",
            "floats",
            "counted",
            "allocated",
            "peak MiB",
            "floats",
        )
    ]
    for r in records:
        kept = r["kept_bytes"]
        rows.append(
            (
                r["cell"],
                r["size"],
                r["contender"],
                "" if kept is None else f"{kept / 2**20:.1f}",
                "" if kept is None else f"{r['kept_floats']:.1f}",
                f"{r['counted_floats']:.1f}" if "counted_floats" in r else "",
                "" if r["allocated_floats"] is None else f"{r['allocated_floats']:.1f}",
                f"{r['peak_bytes'] / 2**20:.1f}",
                f"{r['peak_floats']:.1f}",
            )
        )
    note = (
        "kept: what the process holds after forward beside y, until backward; counted: by\n"
        "the schedule; allocated: the same with what is never touched; peak: what two steps of\n"
        "training take beside parameters, x and dy; floats: per step, unit and batch row."
    )
    return f"{columns(rows)}\n{note}"


def _threads(records: Sequence[Record]) -> str:
    rows = [("cell", "size", "contender", "threads", "ms", "times one thread", "target")]
    for r in records:
        rows.append(
            (
                r["cell"],
                r["size"],
                r["contender"],
                str(r["threads"]),
                f"{1e3 * r['seconds']['median']:.4g}",
                f"{r['gain']:.2f}" if "gain" in r else "",
                f"{r['target']:g}" if "target" in r else "",
            )
        )
    return columns(rows)


def _activations(records: Sequence[Record]) -> str:
    rows = [("function", "dtype", "ns a number")]
    rows += [(r["function"], r["dtype"], f"{1e9 * r['seconds']['median']:.2f}") for r in records]
    return columns(rows)


def _compiling(records: Sequence[Record]) -> str:
    rows = [("cell", "seconds of the processor")]
    rows += [(r["cell"], f"{r['seconds']['median']:.2f}") for r in records]
    return columns(rows)


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells as aligned text; numbers stand to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    numeric = [_numeric(row[k] for row in rows[1:]) for k in range(len(widths))]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _numeric(cells: Iterable[str]) -> bool:
    return all(not cell or cell[0].isdigit() for cell in cells)
