"""From resolved equations to what a step computes: definitions of vectors, in order of use.

Functions and parameters that the text defines are put in where they are used, initial values of
zero are dropped, chains are taken apart, stacked equations are split, and times are shifted so that
each vector is defined at t.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NoReturn

from lstmgen.language.papers.equations import formulas as f
from lstmgen.language.papers.equations.declarations import Declarations
from lstmgen.language.papers.equations.definition import Definition
from lstmgen.language.papers.equations.ordering import in_order
from lstmgen.language.papers.equations.repeating import otherwise
from lstmgen.language.papers.equations.resolving import Resolved
from lstmgen.language.papers.equations.stacking import unstacked, without_lists, without_rows
from lstmgen.language.papers.equations.substitution import FunctionDefinition, Substitution
from lstmgen.language.papers.equations.times import shifted, timed_by_words, with_previous
from lstmgen.language.papers.equations.unused import unused
from lstmgen.language.papers.questions import Answer, Inference
from lstmgen.language.papers.source import Source


@dataclass(frozen=True, slots=True)
class Definitions:
    """What a step computes, in order, and what was concluded to get there.

    `repeated` has what is said once more of the same vectors.
    `blocks` has, for each block of a matrix that a stacked equation is split into, its name.
    """

    vectors: tuple[Definition, ...]
    repeated: tuple[Definition, ...]
    blocks: Mapping[str, str]
    inferences: tuple[Inference, ...]


@dataclass
class _Sorted:
    """The equations by what they define."""

    vectors: list[Definition] = field(default_factory=list)
    offsets: dict[str, int] = field(default_factory=dict)  # the time on the left side
    functions: dict[str, FunctionDefinition] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # letter -> standard function
    untimed: list[tuple[f.Ref, f.Formula, bool]] = field(default_factory=list)
    inline: set[int] = field(default_factory=set)
    rows: dict[str, f.Ref] = field(default_factory=dict)  # of a stack, without a time


def definitions(
    source: Source, resolved: Resolved, declared: Declarations, letter: str
) -> Definitions:
    """Sort the equations, and put in what is only a name for something else."""
    return _Definer(source, resolved, declared, letter).definitions()


class _Definer:
    def __init__(
        self, source: Source, resolved: Resolved, declared: Declarations, letter: str
    ) -> None:
        self._source = source
        self._resolved = resolved
        self._declared = declared
        self._letter = letter
        self._sorted = _Sorted(names=dict(declared.functions))
        self._inferences: list[Inference] = []
        self._note(resolved.equations)

    def _note(self, equations: Sequence[f.ResolvedEquation]) -> None:
        refs = [r for e in equations for s in e.sides for r in f.refs(s)]
        self._timed = {r.name for r in refs if r.time is not None}
        self._used = {r.name for r in refs}
        self._right = {r.name for e in equations for r in f.refs(e.sides[-1])}
        lefts = [s for e in equations for s in e.sides[:-1] if isinstance(s, f.Ref)]
        self._lefts = {left.name for left in lefts if left.time is not None}

    def definitions(self) -> Definitions:
        equations = with_previous(self._resolved.equations, self._lefts)
        if not self._timed:
            equations, told = timed_by_words(self._source, equations)
            self._inferences += told
            self._note(equations)
        for equation in equations:
            for left, right in self._links(equation):
                self._sort(left, right, equation.is_inline)
        self._values_of_untimed()
        sorted_ = self._sorted
        put_in = Substitution(self._source, sorted_.functions, sorted_.names, self._constants())
        vectors = [replace(d, value=put_in.apply(d.value)) for d in sorted_.vectors]
        vectors, told = shifted(self._source, vectors, sorted_.offsets, self._letter)
        vectors = without_lists(self._source, vectors, self._letter)
        split = unstacked(self._source, vectors, self._used)
        inferences = (*self._inferences, *told, *split.inferences)
        first = in_order([d for d in split.vectors if not d.repeated])
        repeated = tuple(d for d in split.vectors if d.repeated)
        return Definitions(tuple(first), repeated, split.blocks, inferences)

    def _refuse(self, node: f.Formula, problem: str) -> NoReturn:
        raise self._source.error(node.position, problem)

    # Chains

    def _links(self, equation: f.ResolvedEquation) -> Iterator[tuple[f.Formula, f.Formula]]:
        """`y_t = s_t = a` as s_t = a, then y_t = s_t."""
        *lefts, value = equation.sides
        if isinstance(value, f.FunctionRef) or _is_zero(value):
            for left in lefts:
                yield left, value
            return
        if all(self._function(left, value) for left in lefts):
            for left in lefts:  # f(a) = g(a) = tanh(a)
                yield left, value
            return
        others: list[f.Formula] = []
        for k in range(len(lefts) - 1, 0, -1):
            if isinstance(lefts[k], f.Ref):
                yield lefts[k], value
                value = lefts[k]
            elif isinstance(lefts[0], f.Ref) and lefts[0].time is not None:
                others.insert(0, value)  # h_t = a = b: both must be the same
                value = lefts[k]
            else:
                self._refuse(
                    equation.sides[k + 1],
                    "a second '=' in one equation, between two formulas; write two equations",
                )
        for formula in (value, *others):
            yield lefts[0], formula

    # What each equation defines

    def _sort(self, left: f.Formula, right: f.Formula, is_inline: bool) -> None:
        if isinstance(left, f.Brackets) and left.bracket == "{":
            left = f.unbracketed(left)
        if self._is_derivative(left):
            self._refuse(
                left,
                "a derivative in time (a differential equation): the step that makes it discrete "
                f"is not said; write h_{self._letter} = h_{{{self._letter}-1}} + ...",
            )
        if self._is_initial(left):
            self._initial(left, right)
            return
        if isinstance(right, f.FunctionRef) and isinstance(left, f.FunctionRef):
            self._sorted.names.setdefault(left.function, right.function)  # \sigma = \tanh
            return
        if isinstance(right, f.FunctionRef) and isinstance(left, f.Ref) and left.time is None:
            self._sorted.names.setdefault(left.name, right.function)
            return
        if (function := self._function(left, right)) is not None:
            self._sorted.functions[function.name] = function
            return
        if isinstance(left, f.Transposed) and isinstance(left.inner, f.Ref):
            left, right = left.inner, without_rows(self._source, right)
        if self._is_lowest_layer(left, right):
            return
        if isinstance(left, f.Ref):
            if left.time is None:
                self._sorted.untimed.append((left, right, is_inline))
            else:
                self._define(left, right, is_inline)
            return
        if (row := self._stack(left)) is not None:
            for k, ref in enumerate(row):
                value = f.StackRow(k, len(row), right, left.position, left.end)
                if ref.time is None:
                    self._sorted.rows[ref.name] = ref
                self._define(replace(ref, time=ref.time or 0), value, is_inline)
            return
        if is_inline and not isinstance(left, f.Ref):
            return
        t = self._letter
        self._refuse(left, f"the left side must be one vector at time {t}, like h_{t}")

    def _define(self, left: f.Ref, right: f.Formula, is_inline: bool) -> None:
        """Note the definition of a vector; what prose repeats of a display is left out."""
        name = left.name
        assert left.time is not None
        if left.time not in (0, 1):
            self._refuse(
                left,
                f"the left side is a vector at another time than {self._letter} or "
                f"{self._letter}+1; shift the equation",
            )
        same = [d for d in self._sorted.vectors if d.name == name]
        for other in same:
            is_repeated = f.key(other.value) == f.key(right)
            if is_repeated and self._sorted.offsets[name] == left.time:
                return
            if is_inline and isinstance(f.unbracketed(right), f.Num):
                return  # prose that tells what happens where the value is this number
            if is_inline and all(r.time is not None for r in f.refs(right)):
                written = self._source.written(left.position, right.end)
                line = self._source.line(other.position)
                told = f"line {line} defines {name}, and prose only tells of a case"
                self._inferences.append(Inference(left.position, written, "left out", told, ()))
                return
            mentioned = other.position in self._sorted.inline
            if mentioned and isinstance(f.unbracketed(other.value), f.Num):
                self._sorted.vectors.remove(other)
                continue
            if self._sorted.offsets[name] != left.time:
                raise otherwise(self._source, Definition(name, right, left.position), other)
            self._sorted.vectors.append(Definition(name, right, left.position, repeated=True))
            return
        self._sorted.vectors.append(Definition(name, right, left.position))
        self._sorted.offsets[name] = left.time
        if is_inline:
            self._sorted.inline.add(left.position)

    def _is_derivative(self, left: f.Formula) -> bool:
        if isinstance(left, f.Product):  # \tau \dot{h}
            return any(self._is_derivative(factor) for _, factor in left.factors)
        if isinstance(left, f.Quotient):
            return True
        if isinstance(left, f.Ref) and "_dot" in left.name:
            base = left.name.replace("_dot", "", 1)
            defined = {
                side.name
                for e in self._resolved.equations
                for side in e.sides[:-1]
                if isinstance(side, f.Ref)
            }
            return base in self._used and base not in defined
        return False

    def _is_initial(self, left: f.Formula) -> bool:
        """h_0, h^{(0)}, h(0), h_{-1}, where h carries a time elsewhere."""
        if isinstance(left, f.Product) and len(left.factors) == 2:
            (_, symbol), (operator, group) = left.factors
            if operator == "" and isinstance(symbol, f.Ref) and isinstance(group, f.Brackets):
                return _is_zero(group) and symbol.name in self._timed
            return False
        if not isinstance(left, f.Ref) or left.time is not None:
            return False
        base, _, index = left.name.rpartition("_")
        if index.isdigit() and index not in ("0", "1"):
            return False
        is_first = index == "1" and base in self._lefts and left.name not in self._right
        return base in self._timed and (index in ("0", "minus1") or is_first)

    def _is_lowest_layer(self, left: f.Formula, right: f.Formula) -> bool:
        """h^{(0)}_t = x_t, where h^{(l-1)}_t is the input of a layer."""
        if not isinstance(left, f.Ref) or not isinstance(right, f.Ref) or right.time != 0:
            return False
        base, _, index = left.name.rpartition("_")
        return index == "0" and left.time == 0 and f"{base}_below" in self._used

    def _initial(self, left: f.Formula, right: f.Formula) -> None:
        written = self._source.written(left.position, left.end)
        is_other = self._is_initial(right) and {r.name.rpartition("_")[0] for r in f.refs(right)}
        if not _is_zero(right) and not (is_other and is_other <= self._lefts):
            self._refuse(
                right,
                f"the initial value {written} is not zero; a module starts from zero unless "
                "forward is given a state: leave the line out, and give the value there",
            )
        self._inferences.append(
            Inference(
                left.position,
                written,
                "an initial value of zero",
                "modules start from zero unless forward is given a state",
                (),
            )
        )

    def _function(self, left: f.Formula, right: f.Formula) -> FunctionDefinition | None:
        """g(a) = ... as the definition of a function."""
        match left:
            case f.Product(
                (("", f.Ref(outer, None)), ("", f.Brackets("(", (f.Ref(inner, None),))))
            ):
                return FunctionDefinition(outer, inner, right, left.position)
            case f.Apply(outer, (f.Ref(inner, None),)):
                return FunctionDefinition(outer, inner, right, left.position)
        return None

    def _stack(self, left: f.Formula) -> list[f.Ref] | None:
        """The vectors of a column or a list on a left side."""
        items: Sequence[f.Formula] = ()
        if isinstance(left, f.Transposed):
            return self._stack(left.inner)
        if isinstance(left, f.Brackets) and len(left.items) == 1:
            return self._stack(left.items[0])
        if isinstance(left, f.Grid):
            items = f.parts(left)
        elif isinstance(left, f.Brackets):
            items = left.items
        found = []
        for item in items:
            inner = item.inner if isinstance(item, f.Transposed) else item
            if not isinstance(inner, f.Ref):
                return None
            found.append(inner)
        return found or None

    # Names without a time

    def _values_of_untimed(self) -> None:
        """`\\Gamma_u = \\sigma(W x_t)`: what depends on a vector is a vector at t."""
        values = dict(self._sorted.rows)
        changed = True
        while changed:
            changed = False
            for left, right, _ in self._sorted.untimed:
                depends = any(r.time is not None or r.name in values for r in f.refs(right))
                if left.name not in values and depends:
                    values[left.name] = left
                    changed = True
        for left, right, is_inline in self._sorted.untimed:
            if left.name not in values:
                continue
            if left.name in self._timed:
                if is_inline:
                    continue
                self._refuse(
                    left,
                    f"{left.name} has no time index here, but has one elsewhere; write "
                    f"{left.name}_{self._letter}, or name the two differently",
                )
            self._define(replace(left, time=0), right, is_inline)
            self._inferences.append(
                Inference(
                    left.position,
                    self._source.written(left.position, left.end),
                    f"a vector at {self._letter}",
                    "it is computed from vectors at a time step",
                    (Answer(f"{left.name}_{self._letter}", "a vector at each step", False),),
                )
            )
        if values:
            self._sorted.vectors = [
                replace(d, value=_timed(d.value, values)) for d in self._sorted.vectors
            ]
            self._sorted.functions = {
                k: replace(g, body=_timed(g.body, values))
                for k, g in self._sorted.functions.items()
            }
        self._sorted.untimed = [u for u in self._sorted.untimed if u[0].name not in values]

    def _constants(self) -> dict[str, f.Formula]:
        """What is defined by parameters and numbers alone."""
        found: dict[str, f.Formula] = {}
        others = {r.name for s in self._all_values() for r in f.refs(s) if r.time is None}
        for left, right, is_inline in self._sorted.untimed:
            name = left.name
            if name in found and f.key(found[name]) != f.key(right):
                self._refuse(left, f"{name} is defined twice; give one of the two another name")
            if name not in others and name in self._timed and is_inline:
                continue
            found[name] = right
            if name not in others and not is_inline:
                inputs = self._timed - self._lefts
                self._inferences += unused(self._source, left, right, inputs, self._letter)
            if name in others:
                written = self._source.written(left.position, right.end)
                is_number = isinstance(f.unbracketed(right), f.Num)
                claim = f"the value of {name} wherever it stands, which is no parameter then"
                self._inferences.append(
                    Inference(
                        left.position,
                        written,
                        claim if is_number else "put in where it is used",
                        "it is defined",
                        (),
                        is_told=is_inline and is_number,
                    )
                )
        return found

    def _all_values(self) -> Iterator[f.Formula]:
        for definition in self._sorted.vectors:
            yield definition.value
        for function in self._sorted.functions.values():
            yield function.body
        for _, right, _ in self._sorted.untimed:
            yield right


def _timed(node: f.Formula, values: Mapping[str, f.Ref]) -> f.Formula:
    def change(part: f.Formula) -> f.Formula:
        if isinstance(part, f.Ref) and part.time is None and part.name in values:
            return replace(part, time=0)
        return part

    return f.mapped(node, change)


def _is_zero(node: f.Formula) -> bool:
    inner = f.unbracketed(node)
    return isinstance(inner, f.Num) and float(inner.text) == 0
