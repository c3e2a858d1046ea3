"""Reading a text of equations, and telling how each symbol was read.

text → regions of mathematics → tokens → statements → trees → resolved formulas → definitions →
roles → equations: a module for each arrow, with the type that it yields.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import sympy

from lstmgen.errors import EquationError
from lstmgen.form.normal_form import NormalForm
from lstmgen.language import notation
from lstmgen.language.papers.equations.declarations import Declarations, declared
from lstmgen.language.papers.equations.definition import Definition
from lstmgen.language.papers.equations.definitions import Definitions, definitions
from lstmgen.language.papers.equations.formulas import Ref, walk
from lstmgen.language.papers.equations.memberships import check_scalars, members, vector_sizes
from lstmgen.language.papers.equations.repeating import check_repeated
from lstmgen.language.papers.equations.resolving import Resolved, Resolver
from lstmgen.language.papers.meaning.building import Builder
from lstmgen.language.papers.meaning.output import check_input, inputs_of, output_of, spelt_alike
from lstmgen.language.papers.meaning.prose import (
    parsed_equations,
    question_of_sigma,
    questions_of_diagonal,
)
from lstmgen.language.papers.meaning.roles import Roles, roles
from lstmgen.language.papers.questions import Answer, Inference, OpenQuestions, Question
from lstmgen.language.papers.source import Source
from lstmgen.language.papers.syntax.statements import Statements, statements
from lstmgen.language.papers.syntax.timing import Indices, check_steps, indices
from lstmgen.language.papers.text.documents import Document, document
from lstmgen.language.papers.text.lexing import Lexer
from lstmgen.language.papers.text.macros import macros
from lstmgen.language.papers.text.tokens import is_run_together
from lstmgen.language.papers.writing import written_out
from lstmgen.language.reading import read


@dataclass(frozen=True, slots=True)
class ReadSymbol:
    """How one symbol was read.

    Attributes:
        written: as it stands in the text where it first occurs.
        name: what the cell calls it.
        role: "state", "input", "value", "matrix", "vector parameter", "scalar parameter",
            "function" or "number".
        shape: its symbolic shape, as ("H", "H+D"); empty for a scalar, a function or a number.
        line: where it first occurs.
        reason: why it has this role.
    """

    written: str
    name: str
    role: str
    shape: tuple[str, ...]
    line: int
    reason: str = ""

    def __str__(self) -> str:
        shape = f" ({', '.join(self.shape)})" if self.shape else ""
        reason = f": {self.reason}" if self.reason else ""
        return f"line {self.line}: {self.written} is {self.name}, {self.role}{shape}{reason}"


@dataclass(frozen=True)
class Reading:
    """What a text says: the equations of a cell, and how they were found.

    Attributes:
        name, equations, output, sizes: as a `Cell` takes them.
        form: the normal form of the equations.
        symbols: how each symbol was read, and why.
        inferences: what else was concluded from the text.
        notes: those of them that users should hear of without asking.
    """

    name: str
    equations: tuple[sympy.Eq, ...]
    output: str
    sizes: dict[str, str] = field(hash=False)
    form: NormalForm
    symbols: tuple[ReadSymbol, ...]
    inferences: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def written_out(self) -> str:
        """The reading as a text that leaves nothing open, and that reads back as the same."""
        return written_out(self.equations, self.form)


def read_equations(
    text: str,
    *,
    name: str,
    declarations: Iterable[str] = (),
    label: str = "",
    strict: bool = False,
) -> Reading:
    """The equations that stand in `text`, as LaTeX or as plain text with Unicode.

    Args:
        text: the equations, alone or within a document.
        name: the name of the cell, an identifier.
        declarations: as in the lines `% lstmgen: alpha scalar` of a text, `"alpha scalar"`; these
            win over those in the text.
        label: what messages call the text; its name unless given.
        strict: ask about everything that the text does not say itself, but that was inferred.

    Raises:
        OpenQuestions: the text can be read in more than one way; all that is open is in the
            message, with the declarations that decide, and in `questions`.
        EquationError: the text cannot be read, or its equations cannot be built; the message
            gives line and column, and a caret under the place.
    """
    source = Source(text, label or name)
    try:
        return _Reader(source, name, strict).read(declarations)
    except RecursionError:
        raise EquationError(
            f"{source.name}: an equation is nested too deeply; name parts of it in equations of "
            "their own"
        ) from None


class _Reader:
    def __init__(self, source: Source, name: str, strict: bool) -> None:
        self._source = source
        self._name = name
        self._strict = strict

    def read(self, extra: Iterable[str]) -> Reading:
        source = self._source
        found = document(source)
        declarations = declared(source, found.directives, extra)
        letters, stated = self._stated(found)
        if not stated.equations:
            raise EquationError(
                f"{source.name}: no equations found; write them as $$ f_t = ... $$, in an align "
                "environment, or one a line"
            )
        resolver = Resolver(source, letters, declarations.superscripts)
        parsed = parsed_equations(source, stated.equations, letters)
        resolved = resolver.resolve(parsed)
        sets = members(source, stated.memberships, resolver.name)
        cut = definitions(source, resolved, declarations, letters.time)
        self._check(resolved, declarations, cut, letters)
        check_scalars(source, cut.vectors, sets)
        declarations.inherit(cut.blocks)
        parts = roles(source, [*cut.vectors, *cut.repeated], declarations, sets)
        defined = frozenset(d.name for d in cut.vectors)
        numbers = frozenset(n for n, k in declarations.kinds.items() if k == "scalar")
        numbers |= {n for n, m in sets.items() if not m.sizes and not m.is_interval} - defined
        builder = Builder(source, parts, sets, defined, numbers)
        questions = [*resolved.questions, *parts.questions]
        sigma = (
            None if "sigma" in declarations.functions else question_of_sigma(source, cut.vectors)
        )
        questions += [sigma] if sigma else []
        try:
            equations = _equations(builder, cut.vectors)
            values = {str(equation.lhs.name): equation.rhs for _, equation in equations}
            check_repeated(source, builder.expression, cut.vectors, cut.repeated, values)
        except EquationError:
            if questions:
                raise OpenQuestions(source, questions) from None
            raise
        output, asked, told = output_of(source, cut.vectors, declarations)
        questions += [*builder.questions, *([asked] if asked else [])]
        questions += questions_of_diagonal(
            source, parts.parameters, cut.vectors, resolved.seen, output
        )
        told += spelt_alike(parts.parameters, declarations, resolved.seen)
        told += inputs_of(source, cut.vectors, declarations, resolved.seen)
        built = [*builder.inferences, *builder.inner.inferences]
        inferences = [*resolved.inferences, *cut.inferences, *built, *told]
        if self._strict:
            questions += self._doubts(parts, resolved, inferences)
        if questions:
            raise OpenQuestions(source, questions)
        sizes = {**vector_sizes(sets, defined), **builder.inner.sizes, **declarations.sizes}
        form = self._normal_form(equations, output, sizes)
        said = [
            (i, f"line {source.line(i.position)}: {i.seen} is {i.claim}: {i.reason}")
            for i in inferences
        ]
        return Reading(
            self._name,
            tuple(equation for _, equation in equations),
            output,
            sizes,
            form,
            _symbols(form, source, resolved, parts, sizes, declarations),
            tuple(text for _, text in said),
            tuple(text for inference, text in said if inference.is_told),
        )

    def _stated(self, found: Document) -> tuple[Indices, Statements]:
        """The letter of time, and what the text states."""
        defined, text = (
            macros(self._source, found.prepared)
            if found.has_macros
            else (
                {},
                found.prepared,
            )
        )
        lexer = Lexer(
            self._source,
            text,
            is_latex=found.is_latex,
            macros=defined,
            runs_together=not found.is_latex and is_run_together(text),
        )
        regions = [(region, lexer.tokens(region.start, region.end)) for region in found.regions]
        letters = indices(self._source, [tokens for _, tokens in regions])
        if not found.is_latex:
            check_steps(self._source, [tokens for _, tokens in regions], letters.time)
        return letters, statements(self._source, regions, letters.time)

    def _check(
        self,
        resolved: Resolved,
        declarations: Declarations,
        cut: Definitions,
        letters: Indices,
    ) -> None:
        """Refuse a text that defines no vector, times left out, and idle declarations."""
        source, t = self._source, letters.time
        if not cut.vectors:
            first = resolved.equations[0].sides[0]
            written = source.written(first.position, first.end)
            raise source.error(
                first.position,
                f"{written} is defined without a time index, and no vector is defined at a time: "
                f"the left side must be a vector at time {t}, like h_{t}",
            )
        timed: dict[str, int] = {}
        plain: dict[str, Ref] = {}
        defined = {definition.name for definition in cut.vectors}
        for definition in cut.vectors:
            timed.setdefault(definition.name, definition.position)
            for node in walk(definition.value):
                if isinstance(node, Ref) and node.time is not None:
                    timed.setdefault(node.name, node.position)
                    if node.name not in defined | declarations.kinds.keys():
                        check_input(source, node)
                elif isinstance(node, Ref):
                    plain.setdefault(node.name, node)
        for name, node in plain.items():
            if name == t:
                raise source.error(
                    node.position,
                    f"{t} is the number of the step here, and a step does not know its number; "
                    "let it be an input, or a state that counts",
                )
            base = name.removesuffix("_prime")
            if base != name and base in plain and base[:1].isupper():
                raise source.error(
                    node.position,
                    f"{base}' beside {base} may be its transpose or another matrix; write "
                    f"{base}^\\top, or give it another name",
                )
            if name in timed:
                raise source.error(
                    node.position,
                    f"{name} has no time index here, but has one in line "
                    f"{source.line(timed[name])}; write {name}_{t}, or name the two differently",
                )
        for name, place in declarations.places.items():
            kind = declarations.kinds.get(name)
            known = name in resolved.seen or name in declarations.functions or name in timed
            if known and not (kind in ("matrix", "number") and name in timed):
                continue
            problem = (
                f"{name} carries a time index, so it cannot be a {kind}"
                if known
                else f"{name} is declared but does not occur; the symbols are "
                + ", ".join(sorted(resolved.seen))
            )
            if place is None:
                raise EquationError(f"{source.name}: {problem}")
            raise source.error(place, problem)

    def _doubts(
        self, parts: Roles, resolved: Resolved, inferences: Iterable[Inference]
    ) -> list[Question]:
        """For --strict: everything that was inferred, as questions."""
        found = []
        for name, role in parts.parameters.items():
            if role.is_declared or role.kind == "identity":
                continue
            seen = resolved.seen.get(name)
            position = 0 if seen is None else seen.position
            written = name if seen is None else seen.written
            found.append(
                Question(
                    position,
                    written,
                    f"{written} is taken for a {role.kind}, because {role.reason}",
                    (Answer(f"{name} {role.kind}", f"a {role.kind}, as inferred"),),
                )
            )
        for inference in inferences:
            found.append(
                Question(
                    inference.position,
                    inference.seen,
                    f"{inference.seen} is taken for {inference.claim}, because {inference.reason}",
                    inference.answers,
                )
            )
        return found

    def _normal_form(
        self, equations: Sequence[tuple[int, sympy.Eq]], output: str, sizes: dict[str, str]
    ) -> NormalForm:
        source = self._source
        try:
            return read(self._name, [equation for _, equation in equations], output, sizes)
        except EquationError as error:
            match = re.search(r"equation \((\d+)\)", str(error))
            place = ""
            if match:
                line = source.place(equations[int(match[1]) - 1][0])
                place = f":{line.line}:{line.column}"
            raise EquationError(f"{source.name}{place}: {error}") from None


def _equations(builder: Builder, vectors: Sequence[Definition]) -> list[tuple[int, sympy.Eq]]:
    """Equations of the notation, each with its place; those that the builder adds before it."""
    found: list[tuple[int, sympy.Eq]] = []
    for definition in vectors:
        count = len(builder.inner.added)
        right = builder.vector(definition.value)
        for name, value in builder.inner.added[count:]:
            left = notation.At(notation.Name(name), notation.t)
            found.append((definition.position, notation.Eq(left, value)))
        left = notation.At(notation.Name(definition.name), notation.t)
        found.append((definition.position, notation.Eq(left, right.expression)))
    return found


def _symbols(
    form: NormalForm,
    source: Source,
    resolved: Resolved,
    parts: Roles,
    sizes: dict[str, str],
    declarations: Declarations,
) -> tuple[ReadSymbol, ...]:
    """How each symbol was read, in the order in which they stand in the text."""
    seen = {name: (s.position, s.written) for name, s in resolved.seen.items()}
    for name, role in parts.parameters.items():
        first = role.first
        seen.setdefault(name, (first.position, source.written(first.position, first.end)))
    found = []
    for name, (position, written) in sorted(seen.items(), key=lambda item: item[1][0]):
        shape: tuple[str, ...] = ()
        if name in form.sizes:
            shape = (form.sizes[name],)
            role_, reason = _vector_role(form, name, declarations)
            if name in sizes:
                reason += ", its size as it is said"
            if name in form.scalar_inputs:
                shape, role_ = ("1",), "scalar input"
        elif name in form.parameters:
            shape = form.shape(name)
            role_ = "matrix" if name in form.weights else "vector parameter"
            role_ = "scalar parameter" if name in form.scalars else role_
            reason = parts.parameters[name].reason if name in parts.parameters else ""
        else:
            continue
        line = source.line(position)
        found.append(ReadSymbol(written, name, role_, shape, line, reason))
    return tuple(found)


def _vector_role(form: NormalForm, name: str, declarations: Declarations) -> tuple[str, str]:
    """What part a vector plays, and why."""
    if name in form.inputs:
        return "input", "no equation defines it"
    is_state = name in form.states
    role = "state" if is_state else "value"
    reason = "an equation defines it" + (", and it is used at t-1" if is_state else "")
    if name == form.output:
        role += " and output"
        why = "as declared" if declarations.output else "by its name" if name == "h" else "the last"
        reason += f"; the output, {why}"
    return role, reason
