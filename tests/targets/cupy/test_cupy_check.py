"""The checker of CuPy plans: faults of many kinds, each refused by equation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import lstmgen
from lstmgen.algebra.expression import Neg
from lstmgen.targets.cupy.arrays import Held, Kind, Place, Steps
from lstmgen.targets.cupy.backward import BackwardPlan
from lstmgen.targets.cupy.check import check
from lstmgen.targets.cupy.forward import ForwardPlan
from lstmgen.targets.cupy.kernel import Access, Kernel
from lstmgen.targets.cupy.plan import Plan
from lstmgen.targets.cupy.storage import Product

Half = ForwardPlan | BackwardPlan


def changed(half: Half, kind: type, change: Callable[[Any], Any], place: int = 0) -> None:
    """Change a stage of the loop: the kernel or product with that number."""
    loop = list(half.loop)
    at = [k for k, stage in enumerate(loop) if isinstance(stage, kind)][place]
    found = change(loop[at])
    half.loop = (*loop[:at], *([found] if found is not None else []), *loop[at + 1 :])


def access(part: str, change: Callable[[Access], Access | None], array: Kind | None = None) -> Any:
    """Change the first load or store of a kernel, of an array of that kind."""

    def of(kernel: Kernel) -> Kernel:
        found = list(getattr(kernel, part))
        at = next(k for k, a in enumerate(found) if array in (None, a.place.array.kind))
        made = change(found[at])
        found[at : at + 1] = [made] if made is not None else []
        return replace(kernel, **{part: tuple(found)})

    return of


def moved(place: Callable[[Place], Place]) -> Callable[[Access], Access]:
    return lambda a: replace(a, place=place(a.place))


def block(change: Callable[[Any], Any]) -> Callable[[Product], Product]:
    """Change the first block of a product's weights."""

    def of(product: Product) -> Product:
        (first, *rest), *others = product.weights.sums
        sums = ((change(first), *rest), *others)
        return replace(product, weights=replace(product.weights, sums=sums))

    return of


def negated(kernel: Kernel) -> Kernel:
    *rest, last = kernel.assignments
    return replace(kernel, assignments=(*rest, replace(last, value=Neg(last.value))))


def another_argument(kernel: Kernel) -> Kernel:
    first, *rest = kernel.arguments
    return replace(kernel, arguments=(replace(first, array=Held(Kind.VALUE, "none")), *rest))


def one_step(plan: Plan, kind: Kind) -> None:
    held = next(h for h, a in plan.arrays.items() if h.kind is kind and a.steps is Steps.EACH)
    plan.arrays[held] = replace(plan.arrays[held], steps=Steps.ONE)


def without(plan: Plan, kind: Kind) -> None:
    del plan.arrays[next(held for held in plan.arrays if held.kind is kind)]


def no_columns(product: Product) -> Product:
    return replace(product, columns=product.columns[:-1])


FAULTS: dict[str, Callable[[Plan], object]] = {
    "a product left out": lambda p: changed(p.forward, Product, lambda s: None),
    "a kernel left out": lambda p: changed(p.forward, Kernel, lambda s: None),
    "stages in another order": lambda p: setattr(p.forward, "loop", p.forward.loop[::-1]),
    "nothing before the loop": lambda p: setattr(p.forward, "before", ()),
    "a product that overwrites": lambda p: changed(
        p.forward, Product, lambda s: replace(s, accumulate=not s.accumulate)
    ),
    "another block of columns": lambda p: changed(
        p.forward, Product, block(lambda b: replace(b, slot=1 - min(b.slot, 1)))
    ),
    "a negative weight": lambda p: changed(
        p.forward, Product, block(lambda b: replace(b, negative=not b.negative))
    ),
    "a product of the new state": lambda p: changed(
        p.forward,
        Product,
        lambda s: replace(s, operand=replace(s.operand, shift=1 - s.operand.shift)),
    ),
    "a sign": lambda p: changed(p.forward, Kernel, negated),
    "an argument that is no array": lambda p: changed(p.forward, Kernel, another_argument),
    "a load from other columns": lambda p: changed(
        p.forward,
        Kernel,
        access("loads", moved(lambda at: replace(at, offset="H")), Kind.STATE),
    ),
    "the new state for the old one": lambda p: changed(
        p.forward,
        Kernel,
        access("loads", moved(lambda at: replace(at, shift=1 - at.shift)), Kind.STATE),
    ),
    "a store left out": lambda p: changed(p.forward, Kernel, access("stores", lambda a: None)),
    "a store to other columns": lambda p: changed(
        p.forward,
        Kernel,
        access("stores", moved(lambda at: replace(at, offset="3 * H")), Kind.PRODUCT),
    ),
    "rows of another width": lambda p: changed(
        p.forward,
        Kernel,
        access("stores", moved(lambda at: replace(at, stride="2 * H")), Kind.PRODUCT),
    ),
    "gates of the last step alone": lambda p: one_step(p, Kind.PRODUCT),
    "no array of adjoints": lambda p: without(p, Kind.ADJOINT),
    "a transposed product left out": lambda p: changed(p.backward, Product, lambda s: None),
    "a kernel of the backward pass left out": lambda p: changed(
        p.backward, Kernel, lambda s: None, -1
    ),
    "a carry that is overwritten": lambda p: changed(
        p.backward, Product, lambda s: replace(s, accumulate=not s.accumulate), -1
    ),
    "a weight not transposed": lambda p: changed(
        p.backward, Product, block(lambda b: replace(b, transposed=not b.transposed))
    ),
    "a product of too few adjoints": lambda p: changed(p.backward, Product, no_columns),
    "a sign of a gradient": lambda p: changed(p.backward, Kernel, negated),
    "a carry that is not stored": lambda p: changed(
        p.backward, Kernel, access("stores", lambda a: None, Kind.CARRY), -1
    ),
    "an adjoint that is not kept": lambda p: changed(
        p.backward, Kernel, access("stores", lambda a: None, Kind.ADJOINT)
    ),
    "adjoints of the last step alone": lambda p: one_step(p, Kind.ADJOINT),
    "no gradient of the input": lambda p: setattr(p.backward, "after", ()),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["lstm", "peephole"])
def test_a_plan_with_a_fault_is_refused(name: str, fault: str) -> None:
    schedule = lstmgen.load(name).schedule
    plan = Plan(schedule)
    check(schedule, plan)
    FAULTS[fault](plan)
    with pytest.raises(lstmgen.LstmgenError, match=r"^equation \(") as refused:
        check(schedule, plan)
    assert "fault of lstmgen's CuPy target" in str(refused.value)


def test_render_checks_every_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    lstmgen.render("lstm", "cupy")
    monkeypatch.setattr(ForwardPlan, "_is_stored", lambda self, name: name in self.form.states)
    with pytest.raises(lstmgen.LstmgenError, match=r"^equation \("):
        lstmgen.render("lstm", "cupy")
