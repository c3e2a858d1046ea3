"""Mutants of a generated module: small mistakes, as a person could make them, one at a time."""

from __future__ import annotations

import ast
import copy
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType

import numpy as np

_REFUSALS = ("_check", "_extent", "_size", "_dtype", "_shapes", "init_")
"""Functions that compute no result of forward, backward or step: they look at arguments."""
_SWAPPED_CALLS = {"add": "subtract", "subtract": "add", "tanh": "sin", "exp": "expm1"}


@dataclass(frozen=True)
class Mutant:
    """A changed source; `kind` is the kind of mistake and `change` says where it is."""

    kind: str
    change: str
    source: str

    def module(self) -> ModuleType:
        """The module, in memory."""
        module = ModuleType("mutant")
        exec(compile(self.source, "<mutant>", "exec"), module.__dict__)
        return module


Edit = tuple[str, Callable[[ast.AST], None]]
"""What to do to a node, in words and in deed; the node is one of a fresh copy of the tree."""


def mutants(source: str, count: int, seed: int) -> list[Mutant]:
    """`count` mutants, chosen by the seed, of every kind in turn."""
    source = ast.unparse(_Unbound().visit(ast.parse(source)))
    tree = ast.parse(source)
    by_kind: dict[str, list[tuple[ast.stmt, int, Callable[[ast.AST], None]]]] = {}
    for part in _computing(tree):
        for position, node in enumerate(ast.walk(part)):
            for kind, change in _edits(node, tree):
                by_kind.setdefault(kind, []).append((part, position, change))
    generator = random.Random(seed)
    for choices in by_kind.values():
        generator.shuffle(choices)
    chosen: list[Mutant] = []
    seen = {_spliced(source, part, part) for part in _computing(tree)}
    while len(chosen) < count and any(by_kind.values()):
        for kind, choices in by_kind.items():
            if choices and len(chosen) < count:
                mutant = _mutant(source, kind, *choices.pop())
                if mutant.source not in seen:
                    seen.add(mutant.source)
                    chosen.append(mutant)
    return chosen


class _Unbound(ast.NodeTransformer):
    """add(a, b, c) of a loop, as np.add(a, b, out=c), so that all calls look alike."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        function = getattr(np, name, None)
        if isinstance(function, np.ufunc):
            node.func = ast.Attribute(ast.Name("np", ast.Load()), name, ast.Load())
            if len(node.args) > function.nin:
                node.keywords.append(ast.keyword("out", node.args.pop()))
        return ast.fix_missing_locations(node)


def _mutant(
    source: str, kind: str, part: ast.stmt, position: int, change: Callable[[ast.AST], None]
) -> Mutant:
    """The source with one function or class written anew; the rest of it stays as it was."""
    changed = copy.deepcopy(part)
    node = list(ast.walk(changed))[position]
    line, before = getattr(node, "lineno", part.lineno), ast.unparse(node)
    change(node)
    ast.fix_missing_locations(changed)
    where = f"{part.name}, line {line}: {before} -> {ast.unparse(node)}"
    return Mutant(kind, where, _spliced(source, part, changed))


def _spliced(source: str, part: ast.stmt, written: ast.stmt) -> str:
    lines = source.splitlines()
    lines[part.lineno - 1 : part.end_lineno] = ast.unparse(written).splitlines()
    return "\n".join(lines) + "\n"


def _computing(tree: ast.Module) -> list[ast.stmt]:
    """The functions and classes that compute results."""
    return [
        part
        for part in tree.body
        if isinstance(part, (ast.FunctionDef, ast.ClassDef)) and not part.name.startswith(_REFUSALS)
    ]


def _edits(node: ast.AST, tree: ast.Module) -> Iterator[Edit]:
    if isinstance(node, ast.BinOp):
        yield from _operation(node)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield "sign flipped", lambda n: _become(n, n.operand)
    elif isinstance(node, ast.Call):
        yield from _call(node)
    elif isinstance(node, ast.Slice):
        yield from _slice(node)
    elif isinstance(node, ast.AugAssign):
        yield "not accumulated", lambda n: _become(n, ast.Assign([n.target], n.value))
    elif isinstance(node, ast.Attribute) and node.attr == "T" and isinstance(node.ctx, ast.Load):
        yield "transpose dropped", lambda n: _become(n, n.value)
    elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        yield from _name(node, tree)
    elif isinstance(node, ast.Constant) and type(node.value) is float:
        yield "constant changed", lambda n: setattr(n, "value", n.value * 1.5 + 0.25)
    elif isinstance(node, ast.For):
        yield from _loop(node)
    if isinstance(node, (ast.For, ast.With, ast.FunctionDef)):
        yield from _missing_statements(node)


def _operation(node: ast.BinOp) -> Iterator[Edit]:
    if isinstance(node.op, (ast.Add, ast.Sub)):
        other = ast.Sub if isinstance(node.op, ast.Add) else ast.Add
        yield "sign flipped", lambda n: setattr(n, "op", other())
    if isinstance(node.op, ast.Mult):
        yield "factor dropped", lambda n: _become(n, n.left)
        yield "factor dropped", lambda n: _become(n, n.right)


def _call(node: ast.Call) -> Iterator[Edit]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if name in _SWAPPED_CALLS:
        yield "function swapped", lambda n: setattr(n.func, "attr", _SWAPPED_CALLS[n.func.attr])
    if name == "subtract":
        yield "arguments swapped", lambda n: n.args.reverse()
    if name in ("multiply", "add") and len(node.args) == 2:
        for keep in (0, 1):
            yield (
                "factor dropped" if name == "multiply" else "term dropped",
                lambda n, keep=keep: (
                    setattr(n.func, "attr", "positive"),
                    setattr(n, "args", [n.args[keep]]),
                ),
            )
    out = next((k for k in node.keywords if k.arg == "out"), None)
    if out is not None and name in ("add", "subtract", "multiply", "tanh"):
        for k, argument in enumerate(node.args):
            if isinstance(argument, ast.Name) and ast.dump(argument) != ast.dump(out.value):
                yield "out redirected", lambda n, k=k: _redirect(n, k)


def _redirect(call: ast.Call, k: int) -> None:
    for keyword in call.keywords:
        if keyword.arg == "out":
            keyword.value = call.args[k]


def _slice(node: ast.Slice) -> Iterator[Edit]:
    """A step too early or too late, or a neighbouring slot."""
    if node.lower is not None:
        yield (
            "index shifted",
            lambda n: (
                setattr(n, "lower", ast.BinOp(n.lower, ast.Sub(), ast.Constant(1))),
                n.upper and setattr(n, "upper", ast.BinOp(n.upper, ast.Sub(), ast.Constant(1))),
            ),
        )
    if ast.unparse(node) == ":-1":
        yield (
            "stale state",
            lambda n: (setattr(n, "lower", ast.Constant(1)), setattr(n, "upper", None)),
        )
    if ast.unparse(node) == "1:":
        yield (
            "stale state",
            lambda n: (
                setattr(n, "lower", None),
                setattr(n, "upper", ast.UnaryOp(ast.USub(), ast.Constant(1))),
            ),
        )


def _name(node: ast.Subscript, tree: ast.Module) -> Iterator[Edit]:
    """Another parameter or state of the same shape."""
    name = node.slice.value
    for others in _same_shape(tree):
        if name in others:
            for other in others:
                if other != name:
                    yield "names swapped", lambda n, other=other: setattr(n.slice, "value", other)


def _same_shape(tree: ast.Module) -> list[list[str]]:
    constants = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id in ("PARAMETERS", "STATES")
    }
    shapes: dict[tuple[str, ...], list[str]] = {}
    for name, shape in constants["PARAMETERS"].items():
        shapes.setdefault(shape, []).append(name)
    return [*shapes.values(), list(constants["STATES"])]


def _loop(node: ast.For) -> Iterator[Edit]:
    """Two of the views of a step taken for one another."""
    if isinstance(node.target, ast.Tuple):
        names = [k for k, part in enumerate(node.target.elts) if isinstance(part, ast.Name)]
        for first, second in itertools.pairwise(names):
            yield "views swapped", lambda n, a=first, b=second: _swap(n.target.elts, a, b)


def _swap(items: list[ast.expr], first: int, second: int) -> None:
    items[first], items[second] = items[second], items[first]


def _missing_statements(node: ast.For | ast.With | ast.FunctionDef) -> Iterator[Edit]:
    for k, statement in enumerate(node.body):
        writes = isinstance(statement, ast.AugAssign) or (
            isinstance(statement, ast.Assign)
            and not isinstance(statement.targets[0], (ast.Name, ast.Tuple))
        )
        calls = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
        if writes or (calls and not ast.unparse(statement).startswith(_REFUSALS)):
            yield "statement missing", lambda n, k=k: n.body.__setitem__(k, ast.Pass())


def _become(node: ast.AST, other: ast.AST) -> None:
    """Turn a node into another in place: the tree around it need not be known."""
    node.__class__ = other.__class__
    node.__dict__ = dict(other.__dict__)
