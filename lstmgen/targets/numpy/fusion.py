"""Horizontal fusion of operations, and places for temporaries.

Operations of one kind over neighbouring slots become one: sigma of three gates, or i * C~ and
f * C_{t-1} where [i, f] and [C~, C_{t-1}] are neighbours.  Which slots are neighbours is a choice:
`lstmgen.targets.common.ordering` looks for the order of slots that leaves the fewest operations.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from lstmgen.targets.numpy.operations import TEMPORARY, Operand, Operation, View

SCRATCH = "scratch"
S = TypeVar("S")


def numbered(segments: Sequence[Sequence[S]]) -> list[S]:
    """Segments one after the other, their temporaries told apart by the segment's number."""
    result: list[Any] = []
    for k, segment in enumerate(segments):
        for step in segment:
            if isinstance(step, Operation):
                moves = {v.array: (f"{v.array}.{k}", 0) for v in (*step.reads, step.out)}
                temporary = {a: m for a, m in moves.items() if a.startswith(TEMPORARY)}
                result.append(_moved(step, temporary))
            else:
                result.append(step)
    return result


def fuse(operations: Sequence[Operation]) -> list[Operation]:
    """Merge operations of one kind over neighbouring slots, as far as their order allows."""
    result = list(operations)
    accesses = _Accesses(result)
    i = 0
    while i < len(result):
        for j in accesses.alike(i):
            if not _could_join(result[i].out, result[j].out) or not accesses.movable(i, j):
                continue
            if fused := _either_way(result, i, j, accesses.widths):
                result = fused
                accesses = _Accesses(result)
                break
        else:
            i += 1
    return result


def _kind(operation: Operation) -> tuple[str, str, int]:
    """What operations that can be merged have in common."""
    return operation.ufunc, operation.size, len(operation.inputs)


def _could_join(a: View, b: View) -> bool:
    """Whether two outputs are neighbours, or temporaries that may become so."""
    if a.temporary or b.temporary:
        return a.temporary and b.temporary and a != b
    return a.array == b.array and a.shift == b.shift and (a.end == b.slot or b.end == a.slot)


class _Accesses:
    """Which operations are alike, which read and write each array, and how wide arrays are."""

    def __init__(self, operations: Sequence[Operation]) -> None:
        self._operations = operations
        self._readers: dict[str, list[tuple[int, View]]] = {}
        self._writers: dict[str, list[tuple[int, View]]] = {}
        self._kinds: dict[tuple[str, str, int], list[int]] = {}
        self.widths: dict[str, int] = {}
        for k, op in enumerate(operations):
            self._kinds.setdefault(_kind(op), []).append(k)
            for view in op.reads:
                self._readers.setdefault(view.array, []).append((k, view))
            self._writers.setdefault(op.out.array, []).append((k, op.out))
            for view in (*op.reads, op.out):
                self.widths[view.array] = max(self.widths.get(view.array, 0), view.end)

    def alike(self, i: int) -> list[int]:
        """The operations behind operation i that do the same."""
        same = self._kinds[_kind(self._operations[i])]
        return same[bisect.bisect(same, i) :]

    def movable(self, i: int, j: int) -> bool:
        """Whether operation j can run right at i: nothing in between touches what it touches."""
        moved = self._operations[j]
        for view in (*moved.reads, moved.out):
            for k, other in self._writers.get(view.array, ()):
                if i <= k < j and other.overlaps(view):
                    return False
        return not any(
            i <= k < j and moved.out.overlaps(other)
            for k, other in self._readers.get(moved.out.array, ())
        )


def _either_way(
    operations: list[Operation], i: int, j: int, widths: dict[str, int]
) -> list[Operation] | None:
    """The operations with j merged into i, in whichever order their slots are neighbours."""
    for first, second in ((i, j), (j, i)):
        neighbours = _Neighbours(widths)
        merged = _merge(operations[first], operations[second], neighbours)
        if merged is not None:
            fused = [*operations[:i], merged, *operations[i + 1 : j], *operations[j + 1 :]]
            return [_moved(op, neighbours.moves) for op in fused]
    return None


class _Neighbours:
    """Temporaries that a merge would make neighbours: each moves to a place in another's array."""

    def __init__(self, widths: dict[str, int]) -> None:
        self._widths = widths
        self.moves: dict[str, tuple[str, int]] = {}

    def now(self, view: View) -> tuple[str, int, int]:
        """Where a view is after the moves: its array, first slot and end."""
        array, offset = self.moves.get(view.array, (view.array, 0))
        return array, view.slot + offset, view.end + offset

    def _width(self, array: str) -> int:
        moved = [o + self._widths[a] for a, (leader, o) in self.moves.items() if leader == array]
        return max(moved, default=self._widths[array])

    def join(self, first: View, second: View) -> bool:
        """Make the second view follow the first; False if they have other neighbours."""
        array, _, end = self.now(first)
        other, start, _ = self.now(second)
        if array == other:
            return end == start
        if start != 0 or end != self._width(array):
            return False
        for moved, (leader, offset) in list(self.moves.items()):
            if leader == other:
                self.moves[moved] = (array, offset + end)
        self.moves[other] = (array, end)
        return True


def _merge(first: Operation, second: Operation, neighbours: _Neighbours) -> Operation | None:
    kinds = first.kinds + second.kinds
    if kinds != tuple(sorted(kinds)):
        return None
    out = _join(first.out, second.out, neighbours)
    if out is None:
        return None
    inputs: list[Operand] = []
    for a, b in zip(first.inputs, second.inputs, strict=True):
        joined = _join_inputs(a, b, first, second, neighbours)
        if joined is None:
            return None
        inputs.append(joined)
    labels = tuple(dict.fromkeys(first.labels + second.labels))
    return Operation(first.ufunc, tuple(inputs), out, labels, first.size, kinds)


def _join(a: View, b: View, neighbours: _Neighbours) -> View | None:
    """The view that covers both, if b follows a or can be made to."""
    if a.temporary and b.temporary:
        return _wider(a, b) if neighbours.join(a, b) else None
    if a.array != b.array or a.shift != b.shift or a.end != b.slot:
        return None
    return _wider(a, b)


def _wider(a: View, b: View) -> View:
    return View(a.array, a.slot, a.count + b.count, a.shift)


def _join_inputs(
    a: Operand, b: Operand, first: Operation, second: Operation, neighbours: _Neighbours
) -> Operand | None:
    if not isinstance(a, View) or not isinstance(b, View):
        return a if a == b else None
    if a == b:
        # The same for both: one slot, which broadcasts.
        return a if a.count == 1 else None
    if a.count != first.out.count or b.count != second.out.count:
        return None
    return _join(a, b, neighbours)


def _moved(operation: Operation, moves: dict[str, tuple[str, int]]) -> Operation:
    if not any(view.array in moves for view in (*operation.reads, operation.out)):
        return operation

    def move(view: View) -> View:
        array, offset = moves.get(view.array, (view.array, 0))
        return View(array, view.slot + offset, view.count, view.shift)

    inputs = tuple(move(x) if isinstance(x, View) else x for x in operation.inputs)
    return replace(operation, inputs=inputs, out=move(operation.out))


@dataclass(frozen=True, slots=True)
class Scratch(Generic[S]):
    """Instructions whose temporaries have places in one scratch array, and its slots' sizes."""

    instructions: tuple[S, ...]
    sizes: tuple[str, ...]


def allocate(instructions: Sequence[S]) -> Scratch[S]:
    """Give temporaries the lowest free slots; an operation may write where it last read.

    Only operations have temporaries; other instructions pass through.
    """
    last: dict[str, int] = {}
    width: dict[str, int] = {}
    size: dict[str, str] = {}
    for k, op in enumerate(instructions):
        if not isinstance(op, Operation):
            continue
        for view in (*op.reads, op.out):
            if view.temporary:
                last[view.array] = k
                width[view.array] = max(width.get(view.array, 0), view.end)
                size.setdefault(view.array, op.size)
    slots: list[str] = []
    busy: list[int] = []  # slot -> last operation that needs it
    at: dict[str, int] = {}

    def place(name: str, free_from: int) -> int:
        for start in range(len(slots) + 1):
            span = range(start, start + width[name])
            if all(
                s >= len(slots) or (slots[s] == size[name] and busy[s] <= free_from) for s in span
            ):
                for s in span:
                    if s >= len(slots):
                        slots.append(size[name])
                        busy.append(-1)
                    busy[s] = last[name]
                return start
        raise AssertionError("a new slot is always free")

    result: list[Any] = []
    for k, op in enumerate(instructions):
        if not isinstance(op, Operation):
            result.append(op)
            continue
        if op.out.temporary and op.out.array not in at:
            at[op.out.array] = place(op.out.array, k if _may_overwrite(op) else k - 1)
        inputs = tuple(_placed(x, at) if isinstance(x, View) else x for x in op.inputs)
        result.append(replace(op, inputs=inputs, out=_placed(op.out, at)))
    return Scratch(tuple(result), tuple(slots))


def _may_overwrite(operation: Operation) -> bool:
    """Whether the output may take a slot that the operation reads: only the same single slot."""
    return operation.out.count == 1 and operation.out.slot == 0


def _placed(view: View, at: dict[str, int]) -> View:
    if view.temporary:
        return View(SCRATCH, at[view.array] + view.slot, view.count)
    return view
