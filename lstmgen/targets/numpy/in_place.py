"""Where sums that are known before the loop are computed: in place of a product that is a term."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lstmgen.algebra.expression import values
from lstmgen.targets.numpy.program import (
    Ahead,
    Call,
    Dot,
    Line,
    Product,
    Slot,
    Statement,
    Whole,
)


def in_place(
    wholes: Sequence[Whole], loop: Sequence[Statement], aheads: Sequence[Ahead]
) -> dict[str, Slot]:
    """For sums, by name, the products in whose memory they are computed: nothing else reads these.

    Args:
        wholes: what is computed for whole blocks.
        loop: the statements of the loop.
        aheads: the sums.
    """
    products = [w for w in wholes if isinstance(w, Product)]
    multiplied = {w.operand for w in products}
    reads = Counter(v for w in wholes if isinstance(w, Line) for v in values(w.value))
    reads += Counter(v for a in aheads for term in a.terms for v in values(term))
    operands = [o for s in loop if isinstance(s, Call) for o in s.operands]
    operands += [s.operand for s in loop if isinstance(s, Dot)]
    in_loop = {o.stack for o in operands if isinstance(o, Slot)}
    found: dict[str, Slot] = {}
    for product in products:
        members = product.out.members
        if product.out in in_loop or multiplied & {*members}:
            continue
        for a in aheads:
            mine = [[v for v in values(term) if v.name in members] for term in a.terms]
            if any(len(of_term) != 1 or reads[of_term[0]] > 1 for of_term in mine):
                continue
            at = [members.index(v.name) for (v,) in mine]
            slot = Slot(product.out, at[0], len(at))
            if at == list(range(at[0], at[0] + len(at))) and slot.sizes == a.out.sizes:
                found[a.name] = slot
    return found
