"""The points at which equations and modules are compared: sizes, and numbers drawn from a seed."""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from lstmgen.errors import VerificationError
from lstmgen.form.normal_form import NormalForm
from lstmgen.verification.arithmetic import Arithmetic, PointError, Vector

Result = TypeVar("Result")
_ATTEMPTS = 4  # of each range


@dataclass(frozen=True)
class Shape:
    """Concrete sizes: steps T, rows B of the batch, hidden size H, and every other size by name."""

    T: int
    B: int
    H: int
    others: tuple[tuple[str, int], ...] = ()

    def size(self, symbol: str) -> int:
        """The number for a size symbol, or for "1"."""
        if symbol in ("H", "1"):
            return self.H if symbol == "H" else 1
        return dict(self.others)[symbol]

    def __str__(self) -> str:
        return " ".join(
            f"{name}={size}"
            for name, size in (("T", self.T), ("B", self.B), ("H", self.H), *self.others)
        )


def shape_for(form: NormalForm, T: int, B: int, H: int, D: int) -> Shape:
    """Sizes for a cell: its first input gets D, the next D+1, ..., extra sizes others again."""
    others = [(symbol, D + k) for k, symbol in enumerate(form.input_sizes)]
    others += [(symbol, max(1, H - 1 + 3 * k)) for k, symbol in enumerate(form.extra_sizes)]
    return Shape(T, B, H, tuple(others))


@dataclass
class Point:
    """Numbers for everything that is free; vectors are lists, and t counts from 0.

    Attributes:
        parameters: a number, a vector, or a matrix as a list of rows, by name.
        inputs: [t][row of the batch][name]; a scalar input is a number.
        initial: the states before the first step, [row][name].
        dy: the loss gradient of the output, [t][row].
        dstate: the loss gradient of the last states, [row][name].
    """

    shape: Shape
    parameters: dict[str, Any]
    inputs: list[list[dict[str, Vector]]]
    initial: list[dict[str, Vector]]
    dy: list[list[Vector]]
    dstate: list[dict[str, Vector]]


def doubled(form: NormalForm, point: Point) -> Point:
    """The point with each unit twice, and half the weights: all values stay what they are."""
    shape = point.shape

    def vector(values: Vector, symbol: str) -> Vector:
        return [value for value in values for _ in range(1 if symbol == "1" else 2)]

    def vectors(rows: list[dict[str, Vector]]) -> list[dict[str, Any]]:
        return [
            {n: v if n in form.scalar_inputs else vector(v, form.sizes[n]) for n, v in row.items()}
            for row in rows
        ]

    def parameter(name: str, value: Any) -> Any:
        if name in form.vectors:
            return vector(value, form.vectors[name])
        if name not in form.weights:
            return value
        weight, rows = form.weights[name], []
        for row in vector(value, weight.rows):
            rest = iter(row)
            blocks = [(c, [next(rest) for _ in range(shape.size(c))]) for c in weight.columns]
            rows.append([v / (2 if c != "1" else 1) for c, b in blocks for v in vector(b, c)])
        return rows

    others = tuple((symbol, 2 * size) for symbol, size in shape.others)
    return Point(
        replace(shape, H=2 * shape.H, others=others),
        {name: parameter(name, value) for name, value in point.parameters.items()},
        [vectors(at_t) for at_t in point.inputs],
        vectors(point.initial),
        [[vector(dy, form.sizes[form.output]) for dy in at_t] for at_t in point.dy],
        vectors(point.dstate),
    )


@dataclass
class Range:
    """How numbers are drawn: positive only or of both signs, and how large."""

    parameters: str = "both"
    data: str = "both"
    scale: float = 1.0


RANGES = (
    Range(),
    Range(scale=0.5),
    Range("both", "positive"),
    Range("positive", "positive"),
    Range("positive", "both"),
    Range("positive", "positive", 0.3),
    Range(scale=0.1),
)
"""Tried in turn until the equations can be evaluated; most cells take the first."""

CALM_RANGES = tuple(span for span in RANGES if span.scale < 1)
"""Those for many steps, over which errors must not grow."""


@dataclass
class Source:
    """Draws points for a normal form.

    `rounding` turns a drawn float into the number to use (float32 has fewer digits).
    """

    form: NormalForm
    arithmetic: Arithmetic
    random: random.Random
    span: Range = field(default_factory=Range)
    float32: bool = False

    def point(self, shape: Shape) -> Point:
        """One point, with loss gradients."""
        form, size = self.form, shape.size
        parameters: dict[str, Any] = {}
        for name in form.parameters:
            if name in form.weights:
                weight = form.weights[name]
                columns = sum(size(c) for c in weight.columns)
                parameters[name] = [
                    self._vector(columns, self.span.parameters, _weight_scale(columns, self.span))
                    for _ in range(size(weight.rows))
                ]
            elif name in form.vectors:
                parameters[name] = self._vector(size(form.vectors[name]), self.span.parameters)
            else:
                parameters[name] = self._number(self.span.parameters)
        rows, steps = range(shape.B), range(shape.T)
        return Point(
            shape,
            parameters,
            [[self._inputs(shape) for _ in rows] for _ in steps],
            [self._vectors(form.states, shape, self.span.data) for _ in rows],
            [[self._vector(size(form.sizes[form.output])) for _ in rows] for _ in steps],
            [self._vectors(form.states, shape) for _ in rows],
        )

    def direction(self, like: Any) -> Any:
        """Random numbers in the structure of `like`."""
        if isinstance(like, list):
            return [self.direction(part) for part in like]
        if isinstance(like, dict):
            return {name: self.direction(part) for name, part in like.items()}
        return self._number("both")

    def _inputs(self, shape: Shape) -> dict[str, Any]:
        found: dict[str, Any] = self._vectors(self.form.inputs, shape, self.span.data)
        return found | {x: found[x][0] for x in self.form.scalar_inputs}

    def _vectors(
        self, names: tuple[str, ...], shape: Shape, sign: str = "both"
    ) -> dict[str, Vector]:
        return {name: self._vector(shape.size(self.form.sizes[name]), sign) for name in names}

    def _vector(self, size: int, sign: str = "both", scale: float = 1.0) -> Vector:
        return [self._number(sign, scale) for _ in range(size)]

    def _number(self, sign: str = "both", scale: float = 1.0) -> Any:
        # Nothing near zero: a term that is nearly absent would hide a mistake in it.
        value = self.random.uniform(0.15, 1.0) * scale * self.span.scale
        if sign == "both" and self.random.random() < 0.5:
            value = -value
        return self.arithmetic.number(_round32(value) if self.float32 else value)


def _weight_scale(columns: int, span: Range) -> float:
    """Keeps the products of wide matrices in the range where activations are not flat."""
    if not columns:
        return 1.0
    return min(1.0, 2.0 / columns if span.parameters == "positive" else 2.0 / columns**0.5)


def _round32(value: float) -> float:
    return float(struct.unpack("f", struct.pack("f", value))[0])


def find_point(
    form: NormalForm,
    arithmetic: Arithmetic,
    seed: str,
    shapes: Sequence[Shape],
    evaluate: Callable[[Point], Result],
    *,
    margin: float,
    float32: bool = False,
    ties_at_once: bool = False,
    spans: Sequence[Range] = RANGES,
) -> tuple[Point, Result]:
    """The first point drawn where the equations can be evaluated, and what `evaluate` gave there.

    It keeps `margin` from every kink, pole and border of a domain.  A point right at a kink, as
    relu(relu(a)) has wherever a < 0, is taken only where no shape and no range gives another; with
    `ties_at_once`, where the range gives no other.  The later shapes are tried in their turn.
    `spans` are the ranges that numbers are drawn from.  Where none keeps every value below
    `LARGEST`, larger ones are allowed, and `arithmetic` allows them from then on.

    Raises `VerificationError` when there is no such point.
    """
    problems: dict[str, int] = {}
    tries = [(shape, span, ties) for ties in (False, True) for shape in shapes for span in spans]
    if ties_at_once:
        tries.sort(key=lambda one: (shapes.index(one[0]), spans.index(one[1]), one[2]))
    ranges = (True,) if arithmetic.far else (False, True)  # what one point needs, others do too
    for far, (shape, span, ties) in itertools.product(ranges, tries):
        arithmetic.allow(far)
        generator = random.Random(f"{seed} {shape} {span} {ties}")
        for _ in range(_ATTEMPTS):
            point = Source(form, arithmetic, generator, span, float32).point(shape)
            arithmetic.watch()
            try:
                result = evaluate(point)
            except PointError as error:
                problem = str(error)
            else:
                if arithmetic.kink < margin or (arithmetic.tie and not ties):
                    problem = "an argument at a kink"
                elif arithmetic.edge < margin:
                    problem = "an argument at a pole or at the border of a domain"
                else:
                    return point, result
            problems[problem] = problems.get(problem, 0) + 1
    reasons = ", ".join(f"{text} ({count} times)" for text, count in problems.items())
    raise VerificationError(
        f"the equations of {form.name} could not be evaluated at any random point: {reasons}. "
        "Numbers between 0.015 and 1, positive and of both signs, were tried; keep the arguments "
        "of log and sqrt positive, divisors away from zero, the arguments of relu, Abs, Max and "
        "Min away from their kinks, and values below 1e30"
    )
