"""Times counted so that each vector is defined at t, in texts that count or mark them otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

from lstmgen.language.papers.equations import formulas as f
from lstmgen.language.papers.equations.definition import Definition
from lstmgen.language.papers.questions import Inference
from lstmgen.language.papers.source import Source
from lstmgen.language.papers.text.vocabulary import TIME_WORDS


def wrong_time(letter: str, time: int) -> str:
    """What is wrong with a vector at another time than t and t-1, and what to do."""
    t = letter
    if time > 0:
        return (
            f"an index other than {t} or {t}-1: a step cannot look ahead of what it computes; "
            "shift the sequence, so that its latest vector is at the time of the left side"
        )
    return (
        f"an index other than {t} or {t}-1, older than the last step; carry an older value in a "
        f"vector of its own, like g_{t} = h_{{{t}-1}}"
    )


def shifted(
    source: Source, vectors: Sequence[Definition], offsets: Mapping[str, int], letter: str
) -> tuple[list[Definition], list[Inference]]:
    """Times counted so that each vector is defined at t, and an input that is ahead used at t.

    `offsets`: the time on the left side of each vector's equation.
    """
    offsets = dict(offsets)
    ahead: dict[str, set[int]] = {}
    for definition in vectors:
        for ref in f.refs(definition.value):
            if ref.time is not None and ref.name not in offsets:
                ahead.setdefault(ref.name, set()).add(ref.time)
    for name, times in ahead.items():
        if times == {1} and 1 in offsets.values():
            offsets[name] = 1

    def change(node: f.Formula) -> f.Formula:
        if not isinstance(node, f.Ref) or node.time is None:
            return node
        time = node.time - offsets.get(node.name, 0)
        if time not in (0, -1):
            raise source.error(node.position, wrong_time(letter, time))
        return replace(node, time=time)

    result = [replace(d, value=f.mapped(d.value, change)) for d in vectors]
    later = [d for d in vectors if offsets[d.name] == 1]
    told = []
    if later:
        start = later[0].position
        end = re.compile(r"=|&|:=|\\coloneqq|←|\n").search(source.text, start)
        told.append(
            Inference(
                start,
                source.written(start, end.start() if end else start + 12),
                f"the value that the step at {letter} gives",
                f"its equation has {letter}+1 on the left, and times are counted from there",
                (),
            )
        )
    return result, told


def timed_by_words(
    source: Source, equations: Sequence[f.ResolvedEquation]
) -> tuple[tuple[f.ResolvedEquation, ...], list[Inference]]:
    """A text without an index of time: h' or h_new is the new value, h or h_old the old one."""
    used = {r.name for e in equations for s in e.sides for r in f.refs(s)}
    lefts = [
        s
        for e in equations
        for s in e.sides[:-1]
        if isinstance(s, f.Ref) and not isinstance(e.sides[-1], f.FunctionRef)
    ]
    defined = {left.name for left in lefts}
    marks = _marks(used, defined)
    if not any(base in defined or name in defined for name, (base, _) in marks.items()):
        return tuple(equations), []
    states = {base for base, _ in marks.values()}
    has_new = {base for name, (base, time) in marks.items() if time == 0 and name in defined}
    inputs = (_fed(equations) | ({"x"} & used)) - defined - states
    told = Inference(
        lefts[0].position,
        source.written(lefts[0].position, lefts[0].end),
        "a value of this step",
        "no symbol has an index of time, and a mark tells the new values from the old",
        (),
    )

    def change(node: f.Formula) -> f.Formula:
        if not isinstance(node, f.Ref):
            return node
        if node.name in marks:
            base, time = marks[node.name]
            return replace(node, name=base, time=time)
        if node.name in has_new:
            return replace(node, time=-1)
        if node.name in defined or node.name in inputs:
            return replace(node, time=0)
        return node

    changed = [
        replace(e, sides=tuple(f.mapped(side, change) for side in e.sides)) for e in equations
    ]
    return tuple(changed), [told]


def with_previous(
    equations: Sequence[f.ResolvedEquation], defined: Set[str]
) -> tuple[f.ResolvedEquation, ...]:
    """`h_prev` as h_{t-1}, in a text that defines h_t."""

    def change(node: f.Formula) -> f.Formula:
        if not isinstance(node, f.Ref) or node.time is not None:
            return node
        base, _, word = node.name.rpartition("_")
        is_old = TIME_WORDS.get(word) == -1 and base in defined
        return replace(node, name=base, time=-1) if is_old else node

    names = {r.name for e in equations for s in e.sides for r in f.refs(s)}
    if not any(TIME_WORDS.get(name.rpartition("_")[2]) == -1 for name in names):
        return tuple(equations)
    return tuple(
        replace(e, sides=tuple(f.mapped(side, change) for side in e.sides)) for e in equations
    )


def _marks(used: Set[str], defined: Set[str]) -> dict[str, tuple[str, int]]:
    """For names with a mark of time, h_prime or h_old: the name without it, and the time."""
    found: dict[str, tuple[str, int]] = {}
    for name in sorted(used):
        base, _, word = name.rpartition("_")
        if not base:
            continue
        if word in TIME_WORDS:
            found[name] = (base, TIME_WORDS[word])
        elif word in ("prime", "plus") and name in defined and base in used - defined:
            found[name] = (base, 0)
        elif word == "minus" and base in defined:
            found[name] = (base, -1)
    return found


def _fed(equations: Sequence[f.ResolvedEquation]) -> set[str]:
    """Small letters that stand where vectors do: behind a capital one, or in a concatenation."""
    found: set[str] = set()
    for equation in equations:
        for node in f.walk(equation.sides[-1]):
            if isinstance(node, f.Product):
                for (_, a), (operator, b) in zip(node.factors, node.factors[1:], strict=False):
                    is_matrix = isinstance(a, f.Ref) and a.name[:1].isupper()
                    if is_matrix and operator in ("", "cdot", "@"):
                        found |= _listed(b)
            elif isinstance(node, f.Brackets) and len(node.items) > 1:
                found |= _listed(node)
    return {name for name in found if not name[:1].isupper()}


def _listed(node: f.Formula) -> set[str]:
    """The letters that a factor or a list of them consists of."""
    if isinstance(node, f.Ref):
        return {node.name} if node.time is None else set()
    if isinstance(node, f.Brackets):
        return {
            name
            for item in node.items
            for name in (_listed(item) if isinstance(item, f.Ref | f.Brackets) else set())
        }
    return set()
