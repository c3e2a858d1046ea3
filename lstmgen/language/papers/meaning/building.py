"""From formulas to the cell's notation, where the role of every letter is known.

A matrix multiplies what stands to its right, or as a row what stands to its left; an element-wise
operator, or nothing between vectors, multiplies element by element.  What a product leaves open is
asked; what is no cell is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import sympy

from lstmgen.algebra.functions import FUNCTIONS, Function
from lstmgen.language import notation
from lstmgen.language.papers.equations import formulas as f
from lstmgen.language.papers.meaning import matrices as m
from lstmgen.language.papers.meaning.products import (
    LIST,
    MATRIX,
    NO_MATRIX,
    NUMBER,
    ROW,
    SCALAR,
    UNIT,
    VECTOR,
    Built,
    Products,
)
from lstmgen.language.papers.questions import Answer, Inference, Question
from lstmgen.language.papers.text.vocabulary import LIBRARIES_DIFFER, NOT_ELEMENT_WISE

MAX_INTEGER_DIGITS = 15
MAX_EXPONENT = 64
_CONSTANTS = {"pi": sympy.pi, "e": sympy.E}


class Builder(Products):
    """Builds the right-hand sides of one text."""

    def vector(self, node: f.Formula) -> Built:
        """The value of a right-hand side, which must be a vector or broadcast to one."""
        built = self.value(node)
        if built.kind == MATRIX:
            self.refuse(node, "this is a matrix, and no vector multiplies it")
        if built.kind == LIST:
            self.refuse(f.list_of(node), NO_MATRIX)
        if built.kind == ROW:
            return replace(built, kind=VECTOR)
        return built

    def expression(self, node: f.Formula) -> sympy.Expr:
        """The expression of a right-hand side."""
        return self.vector(node).expression

    # Any formula

    def value(self, node: f.Formula) -> Built:
        """The value of any formula, matrices and concatenations too."""
        match node:
            case f.Num():
                return self._number(node)
            case f.Ref():
                return self._ref(node)
            case f.Sum():
                return self._sum(node)
            case f.Product():
                return self.product(node)
            case f.Brackets(bracket, (only,)):
                inner = self.value(only)
                if bracket == "[":
                    self._check_list(node, only)
                return replace(inner, is_product=False)
            case f.Brackets(_, items):
                return self._list(node, items)
            case f.Grid():
                items_ = f.as_list(node)
                if items_ is None:
                    self.refuse(node, "a matrix of blocks is not read; write its products out")
                if len(items_) == 1:
                    return self.value(items_[0])
                return self._list(node, items_)
            case f.Transposed(inner_node):
                return self._transposed(node, self.value(inner_node))
            case f.Power():
                return self._power(node)
            case f.Quotient(above, below):
                return self.quotient(node, self.value(above), self.value(below))
            case f.Apply():
                return self._apply(node)
            case f.StackRow():
                self.refuse(node, "a row of a stack stands within a formula")
            case f.FunctionRef(function):
                self.refuse(
                    node,
                    f"where the argument of {function} ends is not clear, or it has none; put it "
                    "in parentheses",
                )

    def _number(self, node: f.Num) -> Built:
        text = node.text
        if "." in text or "e" in text.lower():
            value = float(text)
            if value in (float("inf"), 0.0) and text.strip("0.eE+-"):
                self.refuse(node, f"{text} is beyond the numbers of float64")
            return Built(sympy.Float(value), NUMBER)
        if len(text) > MAX_INTEGER_DIGITS:
            self.refuse(node, f"a number of more than {MAX_INTEGER_DIGITS} digits is not read")
        return Built(sympy.Integer(int(text)), NUMBER)

    def _ref(self, node: f.Ref) -> Built:
        name = node.name
        if node.time is not None:
            key = (name, node.time)
            if key not in self._at:
                symbol = notation.ScalarName if name in self._numbers else notation.Name
                self._at[key] = notation.At(symbol(name), notation.t + node.time)
            return Built(self._at[key], VECTOR)
        kind = self.roles.kind(name)
        if kind == "number":
            return Built(_CONSTANTS[name], NUMBER)
        if kind == "matrix":
            return Built(m.single(m.Weight(name, False, node.position)), MATRIX)
        if kind == "identity":
            return Built(m.IDENTITY, MATRIX)
        if kind == "scalar":
            return Built(notation.ScalarName(name), SCALAR)
        return Built(notation.Name(name), UNIT)

    def _sum(self, node: f.Sum) -> Built:
        built = [(negative, term, self.value(term)) for negative, term in node.terms]
        matrices = [b for _, _, b in built if b.kind == MATRIX]
        if matrices and len(matrices) == len(built):
            terms: list[m.MatrixTerm] = []
            for negative, _, b in built:
                terms += m.negated(b.expression) if negative else b.expression
            if len(terms) > m.MAX_TERMS:
                self.refuse(node, f"a matrix of more than {m.MAX_TERMS} terms is not read")
            return Built(tuple(terms), MATRIX, sum(b.size for _, _, b in built))
        if matrices:
            term = next(t for _, t, b in built if b.kind == MATRIX)
            others = next((t for _, t, b in built if b.kind != MATRIX), term)
            if not any(b.kind in (VECTOR, ROW, LIST) for _, _, b in built):
                shown = self.source.written(others.position, others.end)
                self.refuse(
                    others,
                    f"{shown} is added to a matrix; write {shown} I for a multiple of the "
                    "identity, or call the matrix a vector: "
                    f"% lstmgen: {f.name_of(term)} vector",
                )
            self.plain(term, next(b for _, t, b in built if t is term))
        if any(b.kind == ROW for _, _, b in built):
            built = [(s, t, replace(b, kind=VECTOR) if b.kind == ROW else b) for s, t, b in built]
        plain = [self.plain(t, b) for _, t, b in built]
        signed = [
            notation.OrderedMul(-1, b.expression) if negative else b.expression
            for (negative, _, _), b in zip(built, plain, strict=True)
        ]
        total = signed[0] if len(signed) == 1 else notation.OrderedAdd(*signed)
        return self.joined(node, total, plain)

    def _list(self, node: f.Formula, items: Sequence[f.Formula]) -> Built:
        """Several vectors in brackets are the concatenation that a matrix multiplies."""
        built = []
        for item in items:
            value = self.value(item)
            if value.kind == LIST:
                built += [Built(x, VECTOR, 1) for x in value.expression]
                continue
            if value.kind == ROW:
                value = replace(value, kind=VECTOR)
            if value.kind not in (VECTOR, MATRIX):
                self.refuse(item, "this part of the concatenation carries no time index")
            built.append(value)
        kinds = {b.kind for b in built}
        if len(kinds) > 1:
            self.refuse(node, "matrices and vectors stand side by side in these brackets")
        expressions = [b.expression for b in built]
        return Built(expressions, LIST, sum(b.size for b in built))

    def _check_list(self, node: f.Formula, only: f.Formula) -> None:
        """[h x] in square brackets: vectors or matrices side by side, or their product; [2]."""
        if isinstance(only, f.Num):
            self.refuse(
                node,
                f"[{only.text}] may be a citation or a factor; leave it out, or write round "
                "brackets",
            )
        if not isinstance(only, f.Product) or any(op for op, _ in only.factors[1:]):
            return
        factors = [factor for _, factor in only.factors]
        vectors = all(map(f.has_time, factors))
        matrices = all(isinstance(x, f.Ref) and self.roles.kind(x.name) == MATRIX for x in factors)
        if vectors or matrices:
            written = self.source.written(node.position, node.end)
            self.refuse(
                node,
                f"{written} may be a list of the two or their product; write a comma for the "
                "list, and round brackets for the product",
            )

    def _transposed(self, node: f.Formula, inner: Built) -> Built:
        if inner.kind == MATRIX:
            return replace(inner, expression=m.transposed(inner.expression))
        if inner.kind == LIST:
            return inner
        if inner.kind == VECTOR:
            return replace(inner, kind=ROW)
        if inner.kind == ROW:
            return replace(inner, kind=VECTOR)
        if inner.kind == UNIT:
            name = f.name_of(node)
            self.refuse(
                node,
                f"{name} is a vector: transposed, its product with a vector is one number, which "
                f"is not read; if it is a matrix, declare it: % lstmgen: {name} matrix",
            )
        self.refuse(node, "a transposed symbol must be a matrix before a vector, as in W^\\top h_t")

    # Powers, quotients, functions

    def _power(self, node: f.Power) -> Built:
        base = self.value(node.base)
        if base.kind == MATRIX:
            self._matrix_power(node)
            return base
        if (
            isinstance(node.base, f.Ref)
            and node.base.name in ("e", "e_")
            and node.base.time is None
            and self.roles.kind("e") in ("number", "vector")
            and not self._is_declared("e", "vector")
        ):
            argument = self.plain(node.exponent, self.value(node.exponent))
            return self.joined(node, notation.exp(argument.expression), [argument])
        exponent = self._exponent(node.exponent)
        base = self.plain(node.base, base)
        if base.expression == 0:
            self.refuse(node, "a power of zero")
        value = notation.OrderedPow(base.expression, exponent.expression)
        return self.joined(node, value, [base, exponent])

    def _is_declared(self, name: str, kind: str) -> bool:
        role = self.roles.parameters.get(name)
        return role is not None and role.is_declared and role.kind == kind

    def _matrix_power(self, node: f.Power) -> None:
        name = f.name_of(node.base)
        exponent = f.unbracketed(node.exponent)
        written = self.source.written(node.position, node.end)
        if isinstance(exponent, f.Num) and exponent.text.isdigit():
            number = exponent.text
            self.questions.append(
                Question(
                    node.position,
                    written,
                    f"{written} may be a power of the matrix {name}, or a matrix with this name",
                    (
                        Answer(f"{name}^{number} name", f"one matrix, {name}_{number}"),
                        Answer(f"{name} ({name} x_t)", "the matrix several times", False),
                    ),
                )
            )
            return
        self.refuse(
            node,
            f"{written}: {name} is a matrix, and its inverse or another power of it is not read; "
            "give the result as a matrix of its own",
        )

    def _exponent(self, node: f.Formula) -> Built:
        exponent = self.plain(node, self.value(node))
        value = exponent.expression
        negated = isinstance(value, sympy.Mul) and len(value.args) == 2 and value.args[0] == -1
        if negated and isinstance(value.args[1], sympy.Number):
            exponent = Built(-value.args[1], NUMBER)
        if isinstance(exponent.expression, sympy.Number) and (
            abs(exponent.expression) > MAX_EXPONENT
        ):
            self.refuse(node, f"an exponent beyond {MAX_EXPONENT} is not read")
        return exponent

    def _apply(self, node: f.Apply) -> Built:
        function = node.function
        arguments = [self.value(argument) for argument in node.arguments]
        if function == "diag":
            return self._diagonal(node, arguments)
        if function in NOT_ELEMENT_WISE:
            self.refuse(node, f"{function} {NOT_ELEMENT_WISE[function]}")
        if function not in notation.CLASSES:
            self.refuse(
                node,
                f"the function {function} is not known; declare it: % lstmgen: {function} = tanh, "
                f"or write \\mathrm{{{function}}} for a symbol",
            )
        entry = FUNCTIONS[function]
        if entry.repeats and len(arguments) < 2:
            self.refuse(node, f"{function} takes two or more arguments, separated by commas")
        if not entry.repeats:
            try:
                entry.complete(arguments, lambda value: Built(value, NUMBER))
            except TypeError as error:
                self.refuse(node, f"{function} {error}")
        self._tell(node, entry, len(arguments))
        plain = [self.plain(n, b) for n, b in zip(node.arguments, arguments, strict=True)]
        value = notation.CLASSES[function](*(a.expression for a in plain))
        return self.joined(node, value, plain)

    def _tell(self, node: f.Apply, entry: Function, given: int) -> None:
        """Say what is taken where a text leaves out an argument, or where libraries differ."""
        missing = entry.arity - given
        written = self.source.written(node.position, node.end)
        # Our own name says which of them is meant.
        differs = entry.name in LIBRARIES_DIFFER and not written.startswith(entry.name)
        if entry.repeats or not (missing or differs):
            return
        names = entry.arguments[given:]
        values = entry.defaults[len(entry.defaults) - missing :] if missing else ()
        taken = ", ".join(f"{n} = {float(v):g}" for n, v in zip(names, values, strict=True))
        line = f"{entry.name}(a, {', '.join(f'{float(v):g}' for v in values)})" if missing else ""
        self.inferences.append(
            Inference(
                node.position,
                written,
                f"{entry.name} with {taken}" if missing else entry.summary.rstrip("."),
                "no other is said" if missing else "libraries differ, and this is PyTorch's",
                (Answer(line or "its formula", "as it is meant", False),),
                is_told=True,
            )
        )

    def _diagonal(self, node: f.Apply, arguments: Sequence[Built]) -> Built:
        if len(arguments) != 1 or arguments[0].kind not in (UNIT, VECTOR, SCALAR):
            self.refuse(
                node, "diag(...) is read of one vector: the matrix that has it as its diagonal"
            )
        link = m.Diagonal(arguments[0].expression, node.position)
        return Built(m.single(link), MATRIX, arguments[0].size)
