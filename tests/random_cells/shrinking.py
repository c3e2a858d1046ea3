"""A failing cell made small: parts are taken out for as long as it goes on failing the same way."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from .declaration import Declaration


def shrink(
    failing: Declaration, fails: Callable[[Declaration], bool], seconds: float = 60
) -> Declaration:
    """The smallest declaration found within the time for which `fails` still holds."""
    end = time.monotonic() + seconds
    progress = True
    while progress:
        progress = False
        for smaller in _smaller(failing):
            if time.monotonic() > end:
                return failing
            if fails(smaller):
                failing, progress = smaller, True
                break
    return failing


def _smaller(declaration: Declaration) -> Iterator[Declaration]:
    """Simpler declarations, the boldest first."""
    equations = declaration.equations
    if declaration.renamed:
        yield replace(declaration, renamed=())
        for k in range(len(declaration.renamed)):
            yield replace(declaration, renamed=_without(declaration.renamed, k))
    for k in range(len(equations)):
        rest = _without(equations, k)
        if rest:
            kept = declaration.output in (name for name, _ in rest)
            output = declaration.output if kept else rest[-1][0]
            yield _with_equations(declaration, rest, output)
    for k, (name, right) in enumerate(equations):
        for simpler in _simpler(ast.parse(right, mode="eval").body):
            changed = (*equations[:k], (name, ast.unparse(simpler)), *equations[k + 1 :])
            yield _with_equations(declaration, changed, declaration.output)
    for k in range(len(declaration.sizes)):
        yield replace(declaration, sizes=_without(declaration.sizes, k))
    for scalar in declaration.scalars:
        yield replace(declaration, scalars=tuple(s for s in declaration.scalars if s != scalar))


def _with_equations(
    declaration: Declaration, equations: tuple[tuple[str, str], ...], output: str
) -> Declaration:
    """Without what no equation has any more."""
    made = replace(declaration, equations=equations, output=output)
    return replace(
        made,
        scalars=tuple(s for s in made.scalars if s in made.symbols),
        sizes=tuple(pair for pair in made.sizes if pair[0] in made.symbols),
        renamed=tuple(pair for pair in made.renamed if pair[0] in made.symbols),
    )


def _simpler(node: ast.expr) -> Iterator[ast.expr]:
    """The expression with one of its parts in the place of what the part stands in."""
    for child in _children(node):
        if not isinstance(child, ast.List):
            yield child
    for child in _children(node):
        for smaller in _simpler(child):
            yield _replaced(node, child, smaller)
    if isinstance(node, ast.List) and len(node.elts) > 1:
        for k in range(len(node.elts)):
            yield ast.List(elts=node.elts[:k] + node.elts[k + 1 :], ctx=ast.Load())


def _children(node: ast.expr) -> list[ast.expr]:
    match node:
        case ast.BinOp(left=left, op=ast.MatMult(), right=right):
            return [right]
        case ast.BinOp(left=left, right=right):
            return [left, right]
        case ast.UnaryOp(operand=operand):
            return [operand]
        case ast.Call(func=ast.Name(), args=arguments):
            return list(arguments)
        case ast.List(elts=elements):
            return list(elements)
    return []


def _replaced(node: ast.expr, child: ast.expr, new: ast.expr) -> ast.expr:
    match node:
        case ast.BinOp(left=left, op=op, right=right):
            return ast.BinOp(
                left=new if left is child else left, op=op, right=new if right is child else right
            )
        case ast.UnaryOp(op=op):
            return ast.UnaryOp(op=op, operand=new)
        case ast.Call(func=function, args=arguments):
            changed = [new if a is child else a for a in arguments]
            return ast.Call(func=function, args=changed, keywords=[])
        case ast.List(elts=elements):
            return ast.List(elts=[new if e is child else e for e in elements], ctx=ast.Load())
    raise AssertionError(f"{ast.dump(node)} has no parts")


def _without(items: tuple[tuple[str, str], ...], k: int) -> tuple[tuple[str, str], ...]:
    return (*items[:k], *items[k + 1 :])
