"""The vector between two matrices, V h in U V h: its size, and a name where that is not H."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lstmgen.language import notation
from lstmgen.language.papers.equations.memberships import Member, hidden_label, size_name
from lstmgen.language.papers.meaning import matrices as m
from lstmgen.language.papers.questions import Answer, Inference
from lstmgen.language.papers.source import Source


class InnerVectors:
    """Names inner vectors.

    Attributes:
        sizes: of the vectors that are named here.
        added: their values, which need equations of their own.
        inferences: what was concluded about sizes.
    """

    def __init__(
        self, source: Source, members: Mapping[str, Member], defined: frozenset[str]
    ) -> None:
        self._source = source
        self._members = members
        self._taken = set(defined)
        self._hidden = hidden_label(members, defined)
        self.sizes: dict[str, str] = {}
        self.added: list[tuple[str, Any]] = []
        self.inferences: list[Inference] = []

    def rows(self, matrix: m.Matrix) -> str | None:
        """What the text calls the size of a product with this matrix."""
        return next((self._sizes(term.links[0])[0] for term in matrix if term.links), None)

    def columns(self, link: m.Weight) -> str | None:
        """What the text calls the size of the vectors that a matrix multiplies."""
        return self._sizes(link)[1]

    def _sizes(self, link: m.Link) -> tuple[str | None, str | None]:
        """What the text calls the rows and the columns of a matrix."""
        member = self._members.get(link.name) if isinstance(link, m.Weight) else None
        if not isinstance(link, m.Weight) or member is None or len(member.sizes) != 2:
            return None, None
        rows, columns = member.sizes
        return (columns, rows) if link.transposed else (rows, columns)

    def named(self, link: m.Weight, product: Any, outer: str | None) -> Any:
        """The product V h: it has the size that V's set says, else the hidden size.

        `outer`: the size of U V h, which is the hidden one where nothing else says that.
        """
        label, columns = self._sizes(link)
        if label is None or label == (self._hidden or outer or columns):
            line = "in an equation of its own, with % lstmgen: q size P"
            self.inferences.append(
                Inference(
                    link.position,
                    link.name,
                    "a matrix whose product has the hidden size",
                    "no other size is said",
                    (Answer(f"q_t = {link.name} h_{{t-1}}", line, False),),
                )
            )
            return product
        size = size_name(label)
        if size is None:
            raise self._source.error(
                link.position,
                f"the product with {link.name} has the size {label}, which is not read; give the "
                "size one letter, as in \\mathbb{R}^{r \\times n}",
            )
        name = f"q_{link.name}"
        while name in self._taken:
            name += "_1"
        self._taken.add(name)
        self.sizes[name] = size
        self.added.append((name, product))
        return notation.At(notation.Name(name), notation.t)
