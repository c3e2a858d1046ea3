"""Pages for tests, each made once, and what an HTML parser finds in them."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from lstmgen.library.files import read_cell_file
from lstmgen.library.loading import load
from lstmgen.show.report.contents import Contents, gather
from lstmgen.show.report.page import rendered

ODD = '''\
"""A cell <b>with</b> "two" inputs & 'marks' </title><script>alert(1)</script>

Family: <i>none</i>
Source: nobody, "<img src=x>",
continued.
"""
from lstmgen import Cell, Eq, relu, scalars, symbols, t, tanh

q, u, x, W, V, p_k = symbols("q u x W V p_k")
alpha = scalars("alpha")
cell = Cell(
    "odd_cell",
    Eq(q[t], alpha * q[t-1] + relu(W @ [q[t-1], x[t]]) / 2 - p_k * tanh(V.T @ u[t])),
    output="q",
)
'''
_VOID = {"meta", "link", "br", "img", "input", "hr"}


class Document(HTMLParser):
    """Tags with their attributes and text; mistakes in nesting are collected."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.headings: list[tuple[int, str]] = []
        self.mistakes: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.mistakes += [f"<{tag}> is not closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.mistakes.append(f"<{tag}> has an attribute twice: {names}")
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self._open.append(tag)
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append((int(tag[1]), ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self.mistakes.append(f"</{tag}> closes {self._open[-1:]} at {self.getpos()}")
            return
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.texts.append(data)
        if any(tag in self._open for tag in ("h1", "h2", "h3", "h4")):
            level, text = self.headings[-1]
            self.headings[-1] = level, text + data

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def having(self, attribute: str) -> list[str]:
        return [found[attribute] for _, found in self.tags if attribute in found]

    def all(self, tag: str) -> list[dict[str, str]]:
        return [found for name, found in self.tags if name == tag]


@cache
def contents(name: str) -> Contents:
    return gather(load(name))


@cache
def page_text(name: str) -> str:
    return rendered(contents(name))


@cache
def odd_contents() -> Contents:
    """Of a cell file whose text is full of what HTML takes for markup."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "odd.py"
        path.write_text(ODD, encoding="utf-8")
        return gather(read_cell_file(path))


def every_page() -> list[tuple[str, Contents, str]]:
    """Cells of very different kinds: name, contents, page."""
    found = [(n, contents(n), page_text(n)) for n in ("lstm", "fast_grnn_low_rank")]
    odd = odd_contents()
    return [*found, (odd.name, odd, rendered(odd))]
