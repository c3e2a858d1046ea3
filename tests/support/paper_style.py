"""How a text is written: one notation, drawn by chance."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import sympy
from paper_frames import EQUALS, FRAMES, IN_PROSE, REMARKS, WITH_BARE_ROWS

from lstmgen import Cell

TIMES: dict[str, Callable[[str, str, int], str]] = {
    "subscript": lambda name, t, k: _scripted(name, "_", step(t, k)),
    "superscript": lambda name, t, k: f"{_raisable(name)}^{{{step(t, k)}}}",
    "raised": lambda name, t, k: f"{_raisable(name)}^{{({step(t, k)})}}",
    "angle": lambda name, t, k: f"{_raisable(name)}^{{<{step(t, k)}>}}",
    "langle": lambda name, t, k: rf"{_raisable(name)}^{{\langle {step(t, k)} \rangle}}",
    "round": lambda name, t, k: f"{name}({step(t, k)})",
    "square": lambda name, t, k: f"{name}[{step(t, k)}]",
}
PRODUCTS = (r"\odot", r"\circ", "⊙", r"\bigodot", r"\,\odot\,", r"\bullet", "*", r"\ast", r"\cdot")
FUNCTIONS = {
    "sigma": (r"\sigma", r"\operatorname{sigmoid}", r"\mathrm{sigm}", "{\\rm sigmoid}"),
    "tanh": (r"\tanh", r"\mathrm{tanh}", r"\operatorname{tanh}", r"\text{tanh}", "{\\rm tanh}"),
    "relu": (r"\operatorname{ReLU}", r"\mathrm{relu}", r"\text{ReLU}"),
    "exp": (r"\exp", r"\mathrm{exp}"),
}


@dataclass
class Style:
    """How one text is written."""

    time: str = "subscript"
    letter: str = "t"
    ahead: int = 0  # 1: h_{t+1} on the left side
    product: str = r"\odot"
    equals: str = "="
    bold: str = ""
    lists: str = "comma"
    rows: str = "no"  # "transposed": x_t W^T
    cdot: bool = False
    environment: str = "align"
    remark: str = ""
    big: bool = False
    shuffled: bool = False
    initial: bool = False
    macro: bool = False
    document: bool = False
    same_input: bool = False  # h_{t+1} = f(h_t, x_t)
    labels: str = "below"  # W_{xz}, W^{(xz)}, W_{\mathrm{xz}}
    steps: str = ""  # "primes": h' and h; "layers": h^{(l)}_t of h^{(l-1)}_t
    stack: bool = False  # gates as one equation
    marked: str = ""  # what the value of an equation stands in
    functions: dict[str, str] = field(default_factory=dict)


def drawn(chance: random.Random, cell: Cell) -> Style:
    """A notation; what cannot stand together is not drawn together."""
    style = Style(
        time=chance.choice(list(TIMES)),
        letter=chance.choice("tttnk"),
        ahead=chance.choice((0, 0, 0, 1)),
        product=chance.choice(PRODUCTS),
        equals=chance.choice(EQUALS),
        bold=chance.choice(("", "", r"\mathbf", r"\bm", r"\boldsymbol", "bf")),
        lists=chance.choice(("comma", "semicolon", "bmatrix", "transposed", "bars")),
        rows=chance.choice(("no", "no", "transposed")),
        cdot=chance.random() < 0.3,
        environment=chance.choice(list(FRAMES)),
        remark=chance.choice(("", "", *REMARKS)),
        big=chance.random() < 0.3,
        shuffled=chance.random() < 0.3,
        initial=chance.random() < 0.2,
        macro=chance.random() < 0.2,
        document=chance.random() < 0.2,
        same_input=chance.random() < 0.5,
        labels=chance.choice(("below", "below", "above", "roman", "text")),
        steps=chance.choice(("", "", "", "primes", "layers")),
        stack=chance.random() < 0.2,
        marked=chance.choice(("", "", "", "underbrace", "color", "braces", "boxed")),
        functions={f: chance.choice(words) for f, words in FUNCTIONS.items()},
    )
    taken = {word for name in all_names(cell) for word in name.split("_")}
    if style.letter in taken or style.letter in all_names(cell):
        style.letter = "t"
    powers = any(
        isinstance(node, sympy.Pow) for e in cell.equations for node in sympy.preorder_traversal(e)
    )
    if powers and style.time != "subscript":
        style.time = "subscript"  # x^{(t)2} is not what papers write
    if any("prime" in name for name in all_names(cell)):
        style.time = "subscript"
    if style.steps and not _can_be_marked(cell):
        style.steps = ""
    if style.steps:
        style.ahead, style.initial, style.time = 0, False, "subscript"
        style.environment = chance.choice(("align", "gather", "dollars", "brackets", "inline"))
        style.remark = chance.choice(("", "", r"\quad \text{(gate)}", r"\tag{2}"))
        style.labels, style.document = "below", False
    if style.environment in ("lines", "braces", "wiki", "docs"):
        style.document = False
    if style.environment in WITH_BARE_ROWS | IN_PROSE:
        style.remark = ""
    return style


def _can_be_marked(cell: Cell) -> bool:
    """Whether primes or layers can tell its times: x is the input, h the output, e no letter."""
    form = cell.normal_form
    is_usual = form.inputs == ("x",) and not form.scalar_inputs and form.output == "h"
    plain = all(len(s) == 1 for s in form.states) and "h" in form.states
    names = all_names(cell)
    return is_usual and plain and not any("prime" in n for n in names) and not {"l", "e"} & names


def all_names(cell: Cell) -> set[str]:
    form = cell.normal_form
    return {*form.parameters, *form.inputs, *(d.name for d in form.definitions)}


def step(letter: str, shift: int) -> str:
    return letter if shift == 0 else f"{letter}{shift:+d}"


def _scripted(name: str, side: str, time: str) -> str:
    if "_" in name and not name.startswith("{"):
        head, _, label = name.partition("_")
        label = label[1:-1] if label.startswith("{") else label
        return f"{head}_{{{label},{time}}}"
    return f"{name}{side}{{{time}}}"


def _raisable(name: str) -> str:
    return f"{{{name}}}" if "'" in name else name
