"""The graph as text for other programs to lay out: DOT (Graphviz) and Mermaid."""

from __future__ import annotations

from html import escape

from lstmgen.drawing.graph import Graph, Kind, Node
from lstmgen.drawing.typeset import Text, plain, symbol

__all__ = ["dot", "mermaid"]

_SHAPES = {
    Kind.STATE_IN: "shape=plaintext",
    Kind.STATE_OUT: "shape=plaintext",
    Kind.INPUT: 'shape=circle, style=filled, fillcolor="#bcdcf5"',
    Kind.OUTPUT: 'shape=circle, style=filled, fillcolor="#dccbf2"',
    Kind.MERGE: "shape=point, width=0.08",
    Kind.LAYER: 'shape=box, style=filled, fillcolor="#ffe08a"',
    Kind.OPERATION: 'shape=box, style="filled,rounded", fillcolor="#f7c1d4"',
}
_MERMAID = {
    Kind.STATE_IN: ('["', '"]'),
    Kind.STATE_OUT: ('["', '"]'),
    Kind.INPUT: ('(("', '"))'),
    Kind.OUTPUT: ('(("', '"))'),
    Kind.MERGE: ('(["', '"])'),
    Kind.LAYER: ('["', '"]'),
    Kind.OPERATION: ('("', '")'),
}


def dot(graph: Graph, title: str, *, backward: bool = False) -> str:
    """The graph in the DOT language; render it with `dot -Tsvg`."""
    number = _numbers(graph)
    lines = [
        f"digraph {_quoted(graph.name)} {{",
        f"  label={_quoted(title)};",
        "  rankdir=LR;",
        '  node [fontname="serif"];',
    ]
    for node in graph.nodes:
        label = "" if node.kind is Kind.MERGE else f"label=<{_html(node.symbol)}>, "
        lines.append(f"  {number[node.key]} [{label}{_SHAPES[node.kind]}];")
    for node in graph.nodes:
        for port in node.inputs:
            source = graph.by_key[port.source]
            label = _line_label(source, port.mark, markup=True)
            attributes = [f"label=<{label}>"] * bool(label) + ["dir=back"] * backward
            tail = f" [{', '.join(attributes)}]" if attributes else ""
            lines.append(f"  {number[port.source]} -> {number[node.key]}{tail};")
    return "\n".join([*lines, "}", ""])


def mermaid(graph: Graph, title: str, *, backward: bool = False) -> str:
    """The graph as a Mermaid flowchart, as GitHub and many editors show it."""
    number = _numbers(graph)
    lines = ["---", f"title: {title!r}", "---", "flowchart LR"]
    for node in graph.nodes:
        before, after = _MERMAID[node.kind]
        text = "concat" if node.kind is Kind.MERGE else plain(node.symbol)
        style = {Kind.LAYER: ":::layer", Kind.OPERATION: ":::operation"}.get(node.kind, "")
        lines.append(f"  {number[node.key]}{before}{_entities(text)}{after}{style}")
    for node in graph.nodes:
        for port in node.inputs:
            ends = (number[port.source], number[node.key])
            label = _line_label(graph.by_key[port.source], port.mark, markup=False)
            middle = f'-- "{_entities(label)}" -->' if label else "-->"
            start, end = reversed(ends) if backward else ends
            lines.append(f"  {start} {middle} {end}")
    lines += [
        "  classDef layer fill:#ffe08a,stroke:#1a1a1a,color:#1a1a1a",
        "  classDef operation fill:#f7c1d4,stroke:#1a1a1a,color:#1a1a1a",
        "",
    ]
    return "\n".join(lines)


def _numbers(graph: Graph) -> dict[str, str]:
    return {node.key: f"v{k}" for k, node in enumerate(graph.nodes)}


def _line_label(source: Node, mark: str, *, markup: bool) -> str:
    write = _html if markup else plain
    names = ", ".join(write(symbol(name, 0)) for name in source.names)
    return f"{mark} {names}".strip()


def _html(text: Text) -> str:
    written = ""
    for run in text:
        body = escape(plain((type(run)(run.text, 0, run.italic, run.accents, run.bold),)))
        if run.italic:
            body = f"<I>{body}</I>"
        if run.level:
            tag = "SUB" if run.level < 0 else "SUP"
            body = f"<{tag}>{body}</{tag}>"
        written += body
    return written


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _entities(text: str) -> str:
    return text.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;")
