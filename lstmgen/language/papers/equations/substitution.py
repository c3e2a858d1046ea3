"""Functions and constants that a text defines, put in where they are used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lstmgen.language.papers.equations import formulas as f
from lstmgen.language.papers.source import Source

MAX_SIZE = 4_000


@dataclass(frozen=True, slots=True)
class FunctionDefinition:
    """g(a) = ..., with the name of its argument."""

    name: str
    argument: str
    body: f.Formula
    position: int


class Substitution:
    """Puts in functions and constants, as long as the formula stays small."""

    def __init__(
        self,
        source: Source,
        functions: Mapping[str, FunctionDefinition],
        names: Mapping[str, str],
        constants: Mapping[str, f.Formula],
    ) -> None:
        self._source = source
        self._functions = functions
        self._names = names
        self._constants = constants
        self._sizes: dict[int, int] = {}
        self._kept: list[f.Formula] = []
        self._open: list[str] = []

    def apply(self, node: f.Formula) -> f.Formula:
        """The formula with everything put in; raises `EquationError` where it does not end."""
        if isinstance(node, f.Ref) and node.time is None and node.name in self._constants:
            return self._constant(node)
        is_defined = isinstance(node, f.Apply) and (
            node.function in self._functions or node.function in self._names
        )
        if isinstance(node, f.Apply) and is_defined:
            arguments = tuple(map(self.apply, node.arguments))
            return self._called(node, node.function, arguments)
        if isinstance(node, f.Product):
            node = self._calls(node)
            if not isinstance(node, f.Product):
                return node
        return self._sized(f.rebuilt(node, tuple(map(self.apply, f.parts(node)))))

    def _sized(self, node: f.Formula) -> f.Formula:
        size = 1 + sum(self._sizes.get(id(part), 1) for part in f.parts(node))
        if size > MAX_SIZE:
            raise self._source.error(
                node.position,
                f"an expression of more than {MAX_SIZE} symbols is not read; name its parts",
            )
        self._sizes[id(node)] = size
        self._kept.append(node)  # so that its id stays its own
        return node

    def _constant(self, node: f.Ref) -> f.Formula:
        if node.name in self._open:
            raise self._source.error(node.position, f"{node.name} is defined by itself")
        self._open.append(node.name)
        value = self.apply(self._constants[node.name])
        self._open.pop()
        return self._sized(f.Brackets("{", (value,), node.position, node.end))

    def _calls(self, node: f.Product) -> f.Formula:
        """g(a) for a function that the text or a declaration names."""
        factors: list[tuple[str, f.Formula]] = []
        rest = list(node.factors)
        while rest:
            operator, factor = rest.pop(0)
            following = rest[0] if rest else None
            if (
                isinstance(factor, f.Ref)
                and factor.time is None
                and (factor.name in self._functions or factor.name in self._names)
            ):
                is_call = (
                    following is not None
                    and following[0] == ""
                    and isinstance(following[1], f.Brackets)
                )
                if not is_call or following is None or not isinstance(following[1], f.Brackets):
                    raise self._source.error(
                        factor.position,
                        f"{factor.name} is a function and needs an argument in parentheses",
                    )
                rest.pop(0)
                group = following[1]
                arguments = tuple(map(self.apply, group.items))
                called = self._called(factor, factor.name, arguments)
                factors.append((operator, replace(called, end=group.end)))
            else:
                factors.append((operator, factor))
        if len(factors) == 1:
            return factors[0][1]
        return replace(node, factors=tuple(factors))

    def _called(self, node: f.Formula, name: str, arguments: tuple[f.Formula, ...]) -> f.Formula:
        if name in self._names:
            return self._sized(
                f.Apply(self._names[name], arguments, False, node.position, node.end)
            )
        function = self._functions[name]
        if len(arguments) != 1:
            raise self._source.error(node.position, f"{name} takes one argument")
        if name in self._open:
            raise self._source.error(node.position, f"{name} is defined by itself")
        self._open.append(name)

        def change(part: f.Formula) -> f.Formula:
            if isinstance(part, f.Ref) and part.name == function.argument and part.time is None:
                return self._sized(f.Brackets("{", (arguments[0],), node.position, node.end))
            return part

        self._sized_all(arguments[0])
        body = self._mapped(self.apply(function.body), change)
        self._open.pop()
        return self._sized(f.Brackets("{", (body,), node.position, node.end))

    def _sized_all(self, node: f.Formula) -> None:
        self._sizes.setdefault(id(node), 1 + sum(self._sizes.get(id(p), 1) for p in f.parts(node)))
        self._kept.append(node)

    def _mapped(self, node: f.Formula, change: Callable[[f.Formula], f.Formula]) -> f.Formula:
        """As `mapped`, and arguments that are put in already are not entered again."""
        changed = change(node)
        if changed is not node:
            return changed
        new = tuple(self._mapped(part, change) for part in f.parts(node))
        return self._sized(f.rebuilt(node, new))
