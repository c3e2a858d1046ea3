"""The loops over time as lines of Python: the views that a step takes, and its launches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lstmgen.targets.common.lines import Line
from lstmgen.targets.cupy.arrays import Held, Kind, Owner, Place
from lstmgen.targets.cupy.kernel import Kernel
from lstmgen.targets.cupy.plan import Plan
from lstmgen.targets.cupy.storage import CupyStage, Product

__all__ = ["ArrayNames", "Loop", "as_tuple", "loop"]


class ArrayNames:
    """What the module calls its arrays; `single` where x is not a dict of inputs."""

    def __init__(self, plan: Plan, *, single: bool) -> None:
        self.plan = plan
        self._single = single

    def __call__(self, array: Held) -> str:
        match array.kind:
            case Kind.SEED:
                return "dy"
            case Kind.INPUT:
                return "x" if self._single else f'x["{array.name}"]'
            case Kind.PARAMETER:
                return f'params["{array.name}"]'
            case Kind.SUMMAND:
                return "summand"
            case Kind.AGAIN:
                return self.plan.local(str(array), "array")
        name = self.plan.arrays[array].name
        match array.kind.owner:
            case Owner.TAPE:
                return f"tape.{name}"
            case Owner.WORK:
                return f"work.{name}"
        return name

    def beside(self, kind: str, state: str) -> str:
        """An array beside a state's, with what steps start from."""
        return f"tape.{self.plan.local(f'{kind}_{state}', 'array')}"

    def at_step(self, array: Held, shift: int, before: str) -> str:
        """An array at step t, or all of it if it has no steps.

        `before` is the kind of array in which it finds the states that it starts from.
        """
        name = self(array)
        if self.plan.rank(array) == 2:
            return name
        if array.kind is not Kind.STATE:
            return f"{name}[at]"
        rows = "start" if before == "start" else "at"
        return f"{name}[after]" if shift else f"{self.beside(before, array.name)}[{rows}]"

    def at_all_steps(self, array: Held, shift: int) -> str:
        """An array at all steps, (count, width)."""
        if array.kind is not Kind.STATE:
            return self(array)
        return f"{self(array)}[B:]" if shift else self.beside("previous", array.name)


@dataclass(frozen=True)
class Loop:
    """A loop over the time steps.

    Attributes:
        steps: variables of a step and the views of the tape's and workspace's arrays that they are.
        call: variables of a step and the arrays of the call that they are a step of.
        once: what is bound before a span of steps.
        body: the launches and products.
    """

    steps: tuple[tuple[str, str], ...]
    call: tuple[tuple[str, str], ...]
    once: tuple[Line, ...]
    body: tuple[Line, ...]

    @property
    def head(self) -> list[str]:
        """The variables of a step, those of the tape or workspace as a tuple of their own."""
        steps = [name for name, _ in self.steps]
        return ["cut"] + [as_tuple(steps)] * bool(steps) + [name for name, _ in self.call]

    def views(self, steps: str) -> list[str]:
        """What these are taken from: `steps` has the views of the tape or workspace."""
        call = [f"rows.steps({array}, lo, hi)" for _, array in self.call]
        return ["cuts[lo:hi]", *[f"{steps}[lo:hi]"] * bool(self.steps), *call, "strict=True"]


def loop(stages: Sequence[CupyStage], names: ArrayNames, before: str) -> Loop:
    """The loop over some stages; `before` as in `ArrayNames.at_step`."""
    return _Writer(names, before).loop(stages)


class _Writer:
    def __init__(self, names: ArrayNames, before: str) -> None:
        self._names, self._plan, self._before = names, names.plan, before
        self._steps: dict[str, str] = {}
        self._call: dict[str, str] = {}
        self._once: list[Line] = []

    def loop(self, stages: Sequence[CupyStage]) -> Loop:
        body = []
        for stage in stages:
            code = self._product(stage) if isinstance(stage, Product) else self._launch(stage)
            body.append(Line(code, stage.labels))
        steps, call = tuple(self._steps.items()), tuple(self._call.items())
        return Loop(steps, call, tuple(self._once), tuple(body))

    def _product(self, stage: Product) -> str:
        operand, out = map(self._variable, (stage.operand, stage.out))
        trans = '"N", "N"' if stage.back else '"N", "T"'
        beta = ", beta=1.0" if stage.accumulate else ""
        return f"gemm({trans}, {operand}, {stage.weights.name}, out={out}{beta})"

    def _launch(self, stage: Kernel) -> str:
        parts = []
        ranked: dict[int, list[str]] = {0: [], 1: [], 2: []}
        for a in stage.arguments:
            rank = self._plan.rank(a.array)
            if rank == 1:
                name = self._step_variable(a.array, 0)
                self._call[name] = self._names(a.array)
                ranked[1].append(name)
            else:
                ranked[rank].append(self._names.at_step(a.array, a.shift, self._before))
        if ranked[0]:
            self._steps[f"arrays_{stage.name}"] = as_tuple(ranked[0])
            parts.append(f"arrays_{stage.name}")
        if ranked[1]:
            parts.append(as_tuple(ranked[1]))
        sizes = [f"np.int32({size})" for size in ("n", *stage.sizes)]
        run = f'run.kernel("{stage.name}", n, {stage.size})'
        self._once.append(Line(f"{stage.name}, *shape_{stage.name} = {run}"))
        self._once.append(Line(f"fixed_{stage.name} = {as_tuple([*ranked[2], *sizes])}"))
        parts.append(f"fixed_{stage.name}")
        return f"{stage.name}(*shape_{stage.name}, {' + '.join(parts)})"

    def _variable(self, place: Place) -> str:
        """The variable for an operand or result of a product."""
        rank = self._plan.rank(place.array)
        if rank == 2:
            name = self._plan.title(place.array, place.shift)
            line = Line(f"{name} = {self._names(place.array)}[:n]")
            if line not in self._once:
                self._once.append(line)
            return name
        name = self._step_variable(place.array, place.shift)
        if rank == 1:
            self._call[name] = self._names(place.array)
        else:
            self._steps[name] = self._names.at_step(place.array, place.shift, self._before)
        return name

    def _step_variable(self, array: Held, shift: int) -> str:
        """The variable for a step of an array: of a state the one before or after it."""
        name = self._plan.title(array, shift)
        if array.kind is Kind.STATE and not shift:
            return self._plan.local(name, "step")
        return self._plan.local(f"{name}_t", "step")


def as_tuple(items: Sequence[str]) -> str:
    """The items as a tuple in Python."""
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"
