"""The kernels and products of a module: the forward and the backward plan together."""

from __future__ import annotations

from lstmgen.algebra.expression import Value
from lstmgen.schedule.program import Schedule
from lstmgen.targets.cupy.arrays import Place
from lstmgen.targets.cupy.backward import BackwardPlan
from lstmgen.targets.cupy.forward import ForwardPlan
from lstmgen.targets.cupy.kernel import Kernel
from lstmgen.targets.cupy.storage import Storage


class Plan:
    """The whole module.

    Attributes:
        forward, backward: their stages, before, in and after the loop over the steps.
        arrays: by what they hold; see `Storage`.
        rank, title, local: of an array, and of other variables; see `Storage`.
    """

    def __init__(self, schedule: Schedule) -> None:
        storage = Storage(schedule)
        self.forward = ForwardPlan(schedule, storage)
        self.backward = BackwardPlan(schedule, storage, self.forward)
        self.arrays = storage.arrays
        self.rank = storage.rank
        self.title = storage.title
        self.local = storage.local

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """All kernels, in the order in which they first run."""
        stages = [
            stage
            for plan in (self.forward, self.backward)
            for part in (plan.before, plan.loop, plan.after)
            for stage in part
        ]
        kernels = tuple(stage for stage in stages if isinstance(stage, Kernel))
        return kernels + self.backward.extra_kernels

    def place(self, value: Value) -> Place:
        """Where a value of the forward pass lives."""
        return self.forward.place(value)
