"""The gradients of parameters as lines: products of what was collected, and their parts."""

from __future__ import annotations

from collections.abc import Mapping

from lstmgen.algebra.expression import Value
from lstmgen.targets.common.extents import columns
from lstmgen.targets.common.lines import Line as Text
from lstmgen.targets.common.parameters import OuterProduct, Summed
from lstmgen.targets.numpy.backward import Backward
from lstmgen.targets.numpy.naming import Naming

_Key = tuple[str, int | None]
"""A parameter, and the block of columns of a weight."""


class GradientText:
    """What the template prints once the loops are done.

    Args:
        rights: what the adjoints' columns are multiplied by: for each vector an array of
            (count, size).

    Attributes:
        totals: for each parameter that gets sums from each block: its array and that one's shape.
        lines: products and sums.
        entries: an entry of the dict of gradients for each parameter.
    """

    def __init__(self, plan: Backward, naming: Naming, rights: Mapping[Value, str]) -> None:
        self._plan, self._naming, self._rights = plan, naming, rights
        self._form = plan.schedule.form
        self._terms: dict[_Key, list[tuple[bool, str]]] = {}
        self._labels = {g.parameter: g.label for g in plan.schedule.gradients.parameters}
        self.totals: dict[str, str] = {}
        self.lines: list[Text] = []
        for product in plan.gradients.products:
            self._product(product)
        sums = [s for s in plan.gradients.sums if self.is_total(s)]
        if sums:
            assert plan.columns is not None
            self.lines.append(Text(f"sums = {naming.stack(plan.columns)}.sum(axis=1)"))
        for summed in plan.gradients.sums:
            self._sum(summed)
        self.entries = [self._entry(p) for p in self._form.parameters]

    def is_total(self, summed: Summed) -> bool:
        """Whether what is summed lies among the columns."""
        members = self._plan.columns.members if self._plan.columns is not None else ()
        return summed.adjoint in members

    def total(self, parameter: str) -> str:
        """The array that gets a parameter's sums from each block."""
        name = self._naming.identifiers(f"d_{parameter}", f"total {parameter}")
        size = self._form.vectors.get(parameter)
        self.totals[name] = f"({size},)" if size is not None else "()"
        return name

    def _rows(self, first: str, count: int) -> str:
        assert self._plan.columns is not None
        members = self._plan.columns.members
        rows = columns(self._plan.columns.sizes, members.index(first), count)
        return "" if rows == ":" else f"[{rows}]"

    def _product(self, product: OuterProduct) -> None:
        assert self._plan.columns is not None
        left = self._naming.stack(self._plan.columns)
        left += self._rows(product.adjoints[0], len(product.adjoints))
        of = product.operand.name + ("_prev" if product.operand.shift else "")
        name = self._naming.identifiers(f"d_by_{of}", f"product {product}")
        code = f"{name} = np.dot({left}, {self._rights[product.operand]})"
        self.lines.append(Text(code, product.labels))
        sizes = [self._plan.schedule.sizes[a] for a in product.adjoints]
        for k, block in enumerate(product.blocks):
            rows = columns(sizes, k)
            part = name if rows == ":" else f"{name}[{rows}]"
            outer = block.outer
            term = (outer.negative, f"{part}.T" if outer.transposed else part)
            self._terms.setdefault((outer.weight, outer.slot), []).append(term)

    def _sum(self, summed: Summed) -> None:
        terms = self._terms.setdefault((summed.parameter, None), [])
        if self.is_total(summed):
            assert summed.adjoint is not None
            part = f"sums{self._rows(summed.adjoint, 1)}{'.sum()' if summed.scalar else ''}"
            terms.append((summed.negative, part))
        elif (False, self.total(summed.parameter)) not in terms:
            terms.append((False, self.total(summed.parameter)))

    def _entry(self, parameter: str) -> Text:
        weight = self._form.weights.get(parameter)
        if weight is None:
            size = self._form.vectors.get(parameter)
            text = self._added((parameter, None), "()" if size is None else f"({size},)")
            text = f"np.asarray({text}, dtype)" if size is None else text
        else:
            shape = [f"({weight.rows}, {size})" for size in weight.columns]
            blocks = [self._added((parameter, k), s) for k, s in enumerate(shape)]
            text = blocks[0]
            if len(blocks) > 1:
                text = f"np.concatenate(({', '.join(blocks)}), axis=1)"
        return Text(f'"{parameter}": {text},', (self._labels[parameter],))

    def _added(self, key: _Key, shape: str) -> str:
        """The sum of a block's terms."""
        terms = sorted(self._terms.get(key, []), key=lambda term: term[0])
        if not terms:
            return f"np.zeros({shape}, dtype)"
        (negative, first), *others = terms
        rest = "".join(f" {'-' if minus else '+'} {text}" for minus, text in others)
        return f"{'-' if negative else ''}{first}{rest}"
