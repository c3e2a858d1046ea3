"""What `lstmgen explain --target cupy` adds: launches, kernels, and what these take from a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lstmgen.errors import UnavailableError
from lstmgen.targets.cupy.kernel import Access, Kernel
from lstmgen.targets.cupy.plan import Plan
from lstmgen.targets.cupy.storage import CupyStage

if TYPE_CHECKING:
    from lstmgen.stages import Stages

__all__ = ["sections"]


def sections(cell: Stages) -> dict[str, list[str]]:
    """Lines by title."""
    plan = Plan(cell.schedule)
    return {
        "Launches of the CuPy module": _launches(plan),
        "Kernels of the CuPy module": [line for k in plan.kernels for line in _kernel(k, plan)],
        "What the kernels take": _resources(cell),
    }


def _launches(plan: Plan) -> list[str]:
    """Each kernel and each product of cuBLAS, in each step and once for a sequence."""
    lines = []
    for name, half in (("forward", plan.forward), ("backward", plan.backward)):
        lines += [f"{name}, each step: {_cost(half.loop)}", *map(_stage, half.loop)]
        around = (*half.before, *half.after)
        if around:
            lines += [f"{name}, once for all steps: {_cost(around)}", *map(_stage, around)]
        lines.append(f"{name}, besides: CuPy's copies of weights, initial states and results")
    lines.append("where states restart: a kernel more in each step, forward and backward")
    rest = len(plan.backward.schedule.weight_gradients)
    extra = plan.backward.extra_kernels
    lines.append(
        f"backward, for the parameters: {_count(rest, 'product')}, {_count(len(extra), 'kernel')}"
        " and the copies and sums of CuPy"
    )
    return [*lines, *map(_stage, extra)]


def _cost(stages: Sequence[CupyStage]) -> str:
    kernels = sum(isinstance(stage, Kernel) for stage in stages)
    products = len(stages) - kernels
    return (
        f"{_count(len(stages), 'launch', 'launches')}, {_count(kernels, 'kernel')} and "
        f"{_count(products, 'product')}"
    )


def _stage(stage: CupyStage) -> str:
    labels = " ".join(f"({label})" for label in stage.labels)
    if isinstance(stage, Kernel):
        return f"  kernel {stage.name} {labels}"
    return f"  product {labels}{', added to its result' * stage.accumulate}"


def _kernel(kernel: Kernel, plan: Plan) -> list[str]:
    """A kernel's loads, equations and stores, as its text has them."""
    arrays = {a.name: plan.title(a.array, a.shift) for a in kernel.arguments}

    def names(accesses: Sequence[Access]) -> str:
        return ", ".join(f"{a.variable} from {arrays[a.argument]}" for a in accesses)

    once = ", ".join(
        [names(kernel.vectors)] * bool(kernel.vectors) + [name for name, _ in kernel.scalars]
    )
    stores = ", ".join(f"{a.variable} to {arrays[a.argument]}" for a in kernel.stores)
    return [
        f"{kernel.name}: {kernel.size} units of each row",
        *([f"  once    {once}"] if once else []),
        f"  loads   {names(kernel.loads)}",
        *(
            f"  ({s.label})".ljust(10)
            + s.code.removeprefix("const real ").removesuffix(";").replace(".at[v]", "")
            for s in kernel.statements
        ),
        f"  stores  {stores}",
    ]


def _resources(cell: Stages) -> list[str]:
    from lstmgen.targets.cupy.kernel_text import kernel_text
    from lstmgen.targets.cupy.resources import compile_kernels, table

    try:
        builds = compile_kernels(kernel_text(cell))
    except UnavailableError as error:
        return [f"not compiled: {error}"]
    problems = [f"{b.dtype}, {b.architecture}: {p}" for b in builds for p in b.problems]
    return [*table(builds), *problems]


def _count(number: int, what: str, many: str = "") -> str:
    return f"{number} {what if number == 1 else many or what + 's'}"
