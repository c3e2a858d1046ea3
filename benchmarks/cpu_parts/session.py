"""One run of the benchmark: agreement first, then times in turn, steps, and memory."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import lstmgen
from benchmarks.limits.results import spread
from lstmgen.show.costs import kept_floats

from . import activations, compiling, memory, two_threads
from .agreement import FLOAT32, FLOAT64, require_agreement
from .clock import Effort, in_turn, ratio
from .contender import Contender, Kind
from .floor import Floor, floor, peak_rate
from .kinds import KINDS
from .machine import describe, today, versions
from .ours import Ours
from .peak import multiply_add_rate
from .problem import Problem, Unsuitable, make_problem
from .sizes import SIZES, Size
from .targets import (
    ACTIVATION_NANOSECONDS,
    COMPILE_SECONDS,
    FLOATS_KEPT,
    STEP_MICROSECONDS,
    TWO_THREADS,
    share_of_peak,
    target,
)

__all__ = ["SCHEMA", "Plan", "run"]

SCHEMA = 1
"""Version of the JSON's form."""
CHECKED_STEPS = 8
STEP_SIZE = Size("step", 1, 1, 32, 32)
Record = dict[str, Any]


@dataclass(frozen=True)
class Plan:
    """What is measured, and how thoroughly.

    Attributes:
        cells: names or paths.
        sizes: letters of `SIZES`.
        contenders: names of `KINDS`; ours always runs.
        effort: rounds and times.
        memory_sizes: at which memory is measured; small ones drown in whole pages.
        memory_cells: of which memory is measured.
        thread_sizes: letters of the sizes at which two threads are measured.
        quick: whether this is a short run, for the record.
    """

    cells: tuple[str, ...]
    sizes: tuple[str, ...]
    contenders: tuple[str, ...]
    effort: Effort
    memory_sizes: tuple[str, ...]
    memory_cells: tuple[str, ...]
    quick: bool
    thread_sizes: tuple[str, ...] = ()


def run(plan: Plan, core: int | None) -> Record:
    """Measure all of a plan.

    Returns:
        What goes into the JSON: machine, versions, agreement, training, forward, step, memory,
        threads, activations, compiling.

    Raises:
        Disagreement: contenders do not compute the same numbers; nothing is timed then.
        Unsuitable: a cell has sizes that the benchmark does not know.
    """
    if (reason := KINDS["ours"].missing()) is not None:
        raise Unsuitable(reason)
    left_out = [line for name in plan.contenders if (line := KINDS[name].missing())]
    for line in left_out:
        _say(line)
    kinds = [KINDS[name] for name in plan.contenders if KINDS[name].missing() is None]
    document: Record = {
        "schema": SCHEMA,
        "date": today(),
        "machine": describe(core),
        "versions": versions(),
        "quick": plan.quick,
        "effort": asdict(plan.effort),
        "left_out": left_out,
        "contenders": {kind.name: kind.label for kind in kinds},
        "sizes": {name: SIZES[name].symbols() for name in plan.sizes},
        "agreement": _agreement(plan, kinds),
    }
    _say("rate of products")
    products = {dtype: peak_rate(dtype) for dtype in ("float32", "float64")}
    adds = {dtype: multiply_add_rate(dtype) for dtype in products}
    document["gemm_flops_per_second"] = products
    document["multiply_add_flops_per_second"] = adds
    peaks = {dtype: max(products[dtype], adds[dtype] or 0) for dtype in products}
    training: list[Record] = []
    forward: list[Record] = []
    for cell in plan.cells:
        for name in plan.sizes:
            for dtype in ("float32", "float64"):
                group = _group(kinds, cell, name, dtype)
                if group:
                    _say(f"{cell} {SIZES[name]} {dtype}: {', '.join(k.name for k in group)}")
                    rows = _measure(group, cell, SIZES[name], dtype, plan.effort, peaks[dtype])
                    training += rows[0]
                    forward += rows[1]
    document["training"], document["forward"] = training, forward
    document["step"] = _steps(plan, kinds)
    document["memory"] = _memory(plan, kinds, left_out)
    document["threads"] = _threads(plan)
    _say("activations")
    document["activations"] = _activations(plan)
    document["compiling"] = _compiling(plan)
    return document


def _activations(plan: Plan) -> list[Record]:
    records = activations.measure("c", plan.effort) if plan.thread_sizes else []
    for record in records:
        record["target_seconds"] = ACTIVATION_NANOSECONDS * 1e-9
        record["reached"] = record["seconds"]["median"] <= record["target_seconds"]
    return records


def _compiling(plan: Plan) -> list[Record]:
    """The processor's time for a module in one dtype."""
    records = []
    for cell in plan.cells:
        _say(f"{cell}: how long does it compile?")
        seconds = spread(compiling.measure(cell, plan.effort.rounds))
        record: Record = {"cell": _name(cell), "contender": "ours", "seconds": seconds}
        record["target_seconds"] = COMPILE_SECONDS
        record["reached"] = seconds["median"] <= COMPILE_SECONDS
        records.append(record)
    return records


def _threads(plan: Plan) -> list[Record]:
    """One thread and two, of the first cell."""
    if not plan.thread_sizes:
        return []
    _say(f"two threads: {plan.cells[0]} {''.join(plan.thread_sizes)}")
    records = two_threads.measure_apart(plan.cells[0], plan.thread_sizes, plan.effort.rounds)
    for record in records:
        if (record["contender"], record["threads"]) == ("ours", 2):
            (one,) = (
                r
                for r in records
                if (r["size"], r["contender"], r["threads"]) == (record["size"], "ours", 1)
            )
            record["gain"] = one["seconds"]["median"] / record["seconds"]["median"]
            if record["size"] in "cdef":
                record["target"] = TWO_THREADS
                record["reached"] = record["gain"] >= TWO_THREADS
    return records


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _name(cell: str) -> str:
    return lstmgen.load(cell).name


def _group(kinds: Sequence[Kind], cell: str, size: str, dtype: str) -> list[Kind]:
    """Who is timed at a size in a dtype; none where ours would run alone in float64."""
    found = [k for k in kinds if k.computes(_name(cell)) and dtype in k.dtypes(_name(cell), size)]
    return found if dtype == "float32" or len(found) > 1 else []


def _problem(cell: str, size: Size, dtype: str) -> Problem:
    return make_problem(cell, lstmgen.load(cell).parameters, size, dtype)


def _agreement(plan: Plan, kinds: Sequence[Kind]) -> list[Record]:
    """All contenders in float64, at the batch and widths of every size, over a few steps."""
    records = []
    for cell in plan.cells:
        _say(f"{cell}: do all compute the same?")
        for name in plan.sizes:
            problem = _problem(cell, SIZES[name].shortened(CHECKED_STEPS), "float64")
            ours = Ours(problem).results()
            for kind in kinds:
                if kind.computes(_name(cell)) and kind.name != "ours":
                    who = f"{kind.name}, {cell} at {SIZES[name]}, float64"
                    worst = require_agreement(who, kind.make(problem).results(), ours, FLOAT64)
                    records.append(
                        {
                            "cell": _name(cell),
                            "size": name,
                            "contender": kind.name,
                            "deviation": worst,
                        }
                    )
    return records


def _measure(
    group: Sequence[Kind], cell: str, size: Size, dtype: str, effort: Effort, peak: float
) -> tuple[list[Record], list[Record]]:
    """Times of training and of forward alone, ours first."""
    problem = _problem(cell, size, dtype)
    made: dict[str, Contender] = {kind.name: kind.make(problem) for kind in group}
    if dtype == "float32":
        ours = made["ours"].results()
        for name, contender in made.items():
            who = f"{name}, {cell} at {size}, {dtype}"
            require_agreement(who, contender.results(), ours, FLOAT32, typical=True)
    least = {
        training: floor(cell, size, dtype, peak, training=training) for training in (True, False)
    }
    names = {"cell": _name(cell), "size": size.name, "dtype": dtype}
    times = in_turn({name: contender.train for name, contender in made.items()}, effort)
    records = _records(names, times, least[True])
    _judge(records, training=True)
    calls = {name: contender.infer for name, contender in made.items() if contender.can_infer}
    alone = _records(names, in_turn(calls, effort), least[False])
    _judge(alone, training=False)
    return records, alone


def _judge(records: Sequence[Record], *, training: bool) -> None:
    """Set what was wanted beside what was measured."""
    for record in records:
        names = (record[key] for key in ("cell", "contender", "dtype", "size"))
        wanted = target(*names, training=training)
        if wanted is not None:
            record["target"] = wanted
            record["reached"] = record["ratio"]["median"] >= wanted
        if training and record["contender"] == "ours":
            share = share_of_peak(record["cell"], record["dtype"], record["size"])
            if share is not None:
                record["target_share"] = share
                record["reached"] = record["share_of_peak"] >= share


def _records(
    names: Mapping[str, str], times: Mapping[str, list[float]], least: Floor
) -> list[Record]:
    records = []
    for contender, samples in times.items():
        seconds = spread(samples)
        record: Record = {**names, "contender": contender, "seconds": seconds}
        record["ratio"] = None if contender == "ours" else ratio(samples, times["ours"])
        record["flops"] = least.flops
        record["floor_seconds"] = least.seconds
        record["share_of_floor"] = least.seconds / seconds["median"]
        record["share_of_peak"] = least.seconds_at_peak / seconds["median"]
        records.append(record)
    return records


def _steps(plan: Plan, kinds: Sequence[Kind]) -> list[Record]:
    """Latency of one step at B = 1, H = 32."""
    records = []
    _say("latency of a step")
    for cell in plan.cells:
        problem = _problem(cell, STEP_SIZE, "float32")
        calls = {}
        for kind in kinds:
            if kind.computes(_name(cell)):
                stepper = kind.make(problem).stepper()
                if stepper is not None:
                    calls[kind.name] = stepper
        for contender, samples in in_turn(calls, plan.effort).items():
            seconds = spread(samples)
            record: Record = {"cell": _name(cell), "contender": contender, "seconds": seconds}
            if (record["cell"], contender) == ("lstm", "ours"):
                record["target_seconds"] = STEP_MICROSECONDS * 1e-6
                record["reached"] = seconds["median"] <= STEP_MICROSECONDS * 1e-6
            records.append(record)
    return records


def _memory(plan: Plan, kinds: Sequence[Kind], left_out: list[str]) -> list[Record]:
    """Kept and peak bytes of each contender, each in a process of its own."""
    if (reason := memory.available()) is not None:
        left_out.append(reason)
        _say(reason)
        return []
    records = []
    for cell in plan.memory_cells:
        for name in plan.memory_sizes:
            size = SIZES[name]
            unit = 4 * size.T * size.B * size.H
            for kind in kinds:
                if not kind.computes(_name(cell)):
                    continue
                _say(f"memory of {cell} {size}: {kind.name}")
                found = memory.measure_apart(cell, name, kind.name)
                kept, allocated = found["kept"], found["allocated"]
                record = {
                    "cell": _name(cell),
                    "size": name,
                    "contender": kind.name,
                    "kept_bytes": kept,
                    "kept_floats": None if kept is None else kept / unit,
                    "allocated_bytes": allocated,
                    "allocated_floats": None if allocated is None else allocated / unit,
                    "peak_bytes": found["peak"],
                    "peak_floats": found["peak"] / unit,
                }
                if kind.name == "ours":
                    record["counted_floats"] = _counted(cell, size)
                    if record["cell"] == "lstm" and kept is not None:
                        record["target_floats"] = FLOATS_KEPT
                records.append(record)
    return records


def _counted(cell: str, size: Size) -> float:
    """Floats that the schedule keeps for backward, per step, unit and batch row."""
    kept, _ = kept_floats(lstmgen.load(cell).schedule)
    return kept.at(size.symbols()) / (size.B * size.H)
