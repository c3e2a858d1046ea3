"""What a cell takes and returns: as declared, where the equations leave no choice, or asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from lstmgen.language.papers.equations.declarations import Declarations
from lstmgen.language.papers.equations.definition import Definition
from lstmgen.language.papers.equations.formulas import Ref, refs, walk
from lstmgen.language.papers.equations.seen import Seen
from lstmgen.language.papers.questions import Answer, Inference, Question
from lstmgen.language.papers.source import Source


def inputs_of(
    source: Source,
    vectors: Sequence[Definition],
    declarations: Declarations,
    seen: Mapping[str, Seen],
) -> list[Inference]:
    """What is told where a text has several inputs: one of them may be a forgotten equation."""
    defined = {d.name for d in vectors}
    found: dict[str, None] = {}
    for definition in vectors:
        for ref in refs(definition.value):
            if ref.time is not None and ref.name not in defined:
                found.setdefault(ref.name)
    if len(found) < 2:
        return []
    reason = "no equation defines it; if one is missing, write it"
    return [
        Inference(
            seen[name].position,
            seen[name].written,
            "an input",
            reason,
            (Answer(f"{name} vector", "an input"),),
            is_told=True,
        )
        for name in found
        if name not in declarations.kinds and name in seen and name not in ("x", "u")
    ]


def check_input(source: Source, node: Ref) -> None:
    """Refuse Wx_t in plain text, which may be W x_t, and x_t^+, which may be a function."""
    mark = node.name.rpartition("_")[2]
    if mark in ("plus", "minus"):
        sign = "+" if mark == "plus" else "-"
        raise source.error(
            node.position,
            f"{source.written(node.position, node.end)} may be the part of it with this "
            f"sign or one symbol that no equation defines; write [x_t]_{sign} as a function, "
            f"or declare: % lstmgen: {node.name} vector",
        )
    match = re.match(r"([A-Z])([A-Za-z]{1,2})(?:_|$)", node.name)
    written = source.written(node.position, node.end)
    if match and written.startswith(match[1] + match[2]):
        rest = written[1:]
        raise source.error(
            node.position,
            f"{written} may be the product {match[1]} {rest} or one symbol that no equation "
            f"defines; write {match[1]} {rest}, or declare: % lstmgen: {node.name} vector",
        )


def spelt_alike(
    parameters: Iterable[str], declarations: Declarations, seen: Mapping[str, Seen]
) -> list[Inference]:
    """What is told where two parameters differ only in how their label is spelt: W_xz, Wxz."""
    first: dict[str, str] = {}
    found = []
    for name in parameters:
        other = first.setdefault(name.replace("_", ""), name)
        if other != name and name in seen and not {name, other} <= declarations.kinds.keys():
            written, claim = seen[name].written, f"another parameter than {other}"
            reason = "it is spelt otherwise; write the two alike if they are one"
            found.append(Inference(seen[name].position, written, claim, reason, (), is_told=True))
    return found


def output_of(
    source: Source, vectors: Sequence[Definition], declarations: Declarations
) -> tuple[str, Question | None, list[Inference]]:
    """What the cell returns: as declared, else h, else the only vector that is a state."""
    if declarations.output is not None:
        return declarations.output, None, []
    names = [d.name for d in vectors]
    used: dict[str, set[str]] = {name: set() for name in names}
    now: set[str] = set()
    states: set[str] = set()
    for definition in vectors:
        for node in walk(definition.value):
            if isinstance(node, Ref) and node.name in used and node.time is not None:
                used[node.name].add(definition.name)
                (now if node.time == 0 else states).add(node.name)
    others = [name for name in names if name != "h" and not used[name] - {name}]
    idle = [name for name in names if name not in now]
    between = "h" in now - states and not others  # h is a value on the way to another one
    others = idle if between else others
    place = {d.name: d.position for d in vectors}
    if "h" in names and not others:
        return "h", None, []
    if "h" not in names and len(idle) == 1 and states == set(idle):
        answer = Answer(f"{idle[0]} output", "what the cell returns at each step")
        written = source.written(place[idle[0]], place[idle[0]] + 1)
        told = Inference(
            place[idle[0]], written, "the output", "it is the only state, and the last value",
            (answer,),
        )  # fmt: skip
        return idle[0], None, [told]
    listed = ["h", *others] if "h" in names else list(dict.fromkeys([*reversed(idle), *names]))
    if between:
        problem = (
            f"h is only a value on the way to {' and '.join(idle)}: which vector the cell returns "
            "is not said"
        )
    elif "h" in names:
        problem = (
            f"{' and '.join(others)} {'is' if len(others) == 1 else 'are'} used by no other "
            "equation: which vector the cell returns is not said"
        )
    else:
        problem = "no equation defines h, so which vector the cell returns is not said"
    first = others[0] if others else names[-1]
    question = Question(
        place[first],
        first,
        problem + f": declare the output, % lstmgen: {listed[0]} output",
        tuple(Answer(f"{name} output", f"{name} is returned at each step") for name in listed),
    )
    return listed[0], question, []
