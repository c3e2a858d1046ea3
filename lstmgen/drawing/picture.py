"""A cell's drawing: what `Cell.draw()` returns and `lstmgen draw` writes."""

from __future__ import annotations

import os
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from lstmgen.drawing.arrangement import arrange
from lstmgen.drawing.backward import backward_graph, backward_notes
from lstmgen.drawing.dataflow import data_flow
from lstmgen.drawing.description import describe
from lstmgen.drawing.geometry import Layout, Note, lay_out
from lstmgen.drawing.graph import Graph
from lstmgen.drawing.languages import dot, mermaid
from lstmgen.drawing.svg import svg
from lstmgen.drawing.typeset import Text, symbol, upright
from lstmgen.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from lstmgen.stages import Stages

__all__ = ["FORMATS", "Drawing", "check_format", "draw"]

FORMATS = (".svg", ".png", ".dot", ".mmd")


def draw(cell: Stages, *, gradients: bool = False) -> Drawing:
    """The data flow of one step of a cell.

    Args:
        cell: the cell; only its equations decide what the drawing looks like.
        gradients: the backward flow instead: adjoints, from right to left.
    """
    return Drawing(cell, gradients)


class Drawing:
    """One step of a cell as a figure; laid out on first use, and then always the same.

    Attributes:
        gradients: whether it shows the backward flow.
    """

    def __init__(self, cell: Stages, gradients: bool = False) -> None:
        self._cell = cell
        self.gradients = gradients

    @cached_property
    def graph(self) -> Graph:
        """The nodes and lines, without places."""
        return data_flow(self._cell.normal_form)

    @cached_property
    def layout(self) -> Layout:
        """Everything with its place, in pixels."""
        routing = arrange(self.graph)
        if self.gradients:
            return lay_out(backward_graph(self.graph), routing, backward_notes(self.graph))
        return lay_out(self.graph, routing, forward_notes(self.graph))

    @property
    def title(self) -> str:
        """The figure's name."""
        flow = "backward flow of the gradients" if self.gradients else "data flow"
        return f"{self._cell.name}: {flow} of one step"

    @cached_property
    def description(self) -> str:
        """What the figure shows, in words, for those who cannot see it."""
        return describe(self.graph, gradients=self.gradients)

    def svg(self) -> str:
        """The figure as an SVG document."""
        return svg(self.layout, self.title, self.description, backward=self.gradients)

    def png(self, scale: float = 2.0) -> bytes:
        """The figure as a PNG image, `scale` pixels for each pixel of the SVG.

        Raises:
            UnavailableError: CairoSVG is not installed, or lacks the Cairo library.
        """
        try:
            cairosvg = import_module("cairosvg")
        except (ImportError, OSError) as error:
            raise UnavailableError(
                f"PNG needs CairoSVG ({error}): install lstmgen[draw], and the Cairo library "
                "where the system has none; SVG needs neither"
            ) from None
        image = cairosvg.svg2png(bytestring=self.svg().encode(), scale=scale)
        assert isinstance(image, bytes)
        return image

    def dot(self) -> str:
        """The graph in the DOT language of Graphviz."""
        return dot(self.graph, self.title, backward=self.gradients)

    def mermaid(self) -> str:
        """The graph as a Mermaid flowchart."""
        return mermaid(self.graph, self.title, backward=self.gradients)

    def rendered(self, suffix: str) -> bytes:
        """The figure in one of `FORMATS`.

        Raises:
            UsageError: there is no such format.
            UnavailableError: it needs what is not installed.
        """
        match suffix:
            case ".svg":
                return self.svg().encode()
            case ".png":
                return self.png()
            case ".dot":
                return self.dot().encode()
            case ".mmd":
                return self.mermaid().encode()
        raise UsageError(_no_format(suffix))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the figure; the suffix says in which format.

        Raises:
            UsageError: there is no such format, or the file cannot be written.
            UnavailableError: the format needs what is not installed.
        """
        file = Path(path)
        content = self.rendered(check_format(file))
        try:
            file.write_bytes(content)
        except OSError as error:
            raise UsageError(f"{file} cannot be written: {error.strerror}") from None

    def _repr_svg_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        return f"<Drawing of {self.title}>"


def check_format(path: str | os.PathLike[str]) -> str:
    """The suffix of a file that a drawing can be written to.

    Raises:
        UsageError: there is no such format.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(f"{os.fspath(path)}: {_no_format(suffix)}")
    return suffix


def _no_format(suffix: str) -> str:
    what = f"as {suffix}" if suffix else "to a file without a suffix"
    return (
        f"a drawing cannot be written {what}; name it *{', *'.join(FORMATS[:-1])} or *{FORMATS[-1]}"
    )


def forward_notes(graph: Graph) -> tuple[Note, ...]:
    """Names beside the lines that leave nodes, and signs where lines end.

    A line that runs to a terminal has its name there.
    """
    notes = []
    for node in graph.nodes:
        shown = {graph.by_key[key].carries for key, _ in graph.users[node.key]}
        text: Text = ()
        for name in node.names:
            if name not in shown:
                text = (*text, *(upright(", ") if text else ()), *symbol(name, 0))
        if text:
            notes.append(Note(node.key, text))
        for number, port in enumerate(node.inputs):
            if port.mark:
                notes.append(Note(node.key, upright(port.mark), number))
    return tuple(notes)
