"""A measurement of gradient flow: its settings and curves, as a table, a plot and data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from typing import Any

import numpy as np

from lstmgen.errors import UsageError
from lstmgen.notebook import plain_text
from lstmgen.show.plot import Line, line_plot

__all__ = ["SCHEMA", "Curve", "Flow", "Settings"]

SCHEMA = 1
"""The version of the form of `Flow.as_json`."""

_COLUMNS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


@dataclass(frozen=True)
class Settings:
    """What a measurement is made with.

    Attributes:
        hidden_size: H.
        input_size: D of a cell whose input has a size of its own; other sizes are H.
        steps: T; k runs from 1 to T.
        seeds: how many initialisations and input sequences.
        scale: factor on the matrices of `init_params`, which are uniform in ±1/sqrt(H).
        input_scale: standard deviation of the inputs.
        biases: initial values of parameters, by name, in every cell that has them.
        inputs: how inputs are drawn, by name, in every cell that has them: a number for itself, or
            "mask:0.1" for 1 with that probability and else 0.  Others are normal, but for those
            that stand as 1 - d in the equations: these are 0 or 1 with equal probability.
    """

    hidden_size: int = 64
    input_size: int = 16
    steps: int = 100
    seeds: int = 10
    scale: float = 1.0
    input_scale: float = 1.0
    biases: Mapping[str, float] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("hidden_size", "input_size", "steps", "seeds"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name}: expected at least 1, got {getattr(self, name)}")
        for name in ("scale", "input_scale"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UsageError(f"{name}: expected a number from 0, got {getattr(self, name)}")
        for name, how in self.inputs.items():
            probability = how.removeprefix("mask:")
            if not _is_number(probability) or (
                how != probability and not 0 <= float(probability) <= 1
            ):
                raise UsageError(
                    f"input {name}: expected a number, or mask:P with P from 0 to 1, got {how!r}"
                )


@dataclass(frozen=True)
class Curve:
    """One state of one cell.

    Attributes:
        cell, state: their names.
        biases: the parameters that were set, by name.
        norms: [seed][k - 1], the norm of the gradient of a unit of the last output.
    """

    cell: str
    state: str
    biases: Mapping[str, float]
    norms: tuple[tuple[float, ...], ...]

    @property
    def label(self) -> str:
        """The cell with the biases that were set."""
        return ", ".join([self.cell, *(f"{n} = {v:g}" for n, v in self.biases.items())])

    def quantile(self, part: float) -> tuple[float, ...]:
        """For every k, the value below which `part` of the seeds lie."""
        return tuple(float(v) for v in np.quantile(np.array(self.norms), part, axis=0))

    @property
    def median(self) -> tuple[float, ...]:
        """The median over the seeds for every k."""
        return self.quantile(0.5)


@dataclass(frozen=True)
class Flow:
    """A measurement: its settings and its curves.

    Attributes:
        forget_bias: the values of the biases that keep a state; empty if they were left alone.
        without_forget_bias: the cells that have no such bias.
        masks: cells and inputs that were drawn as masks because they stand as 1 - d.
    """

    settings: Settings
    curves: tuple[Curve, ...]
    forget_bias: tuple[float, ...] = ()
    without_forget_bias: tuple[str, ...] = ()
    masks: tuple[tuple[str, str], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """All numbers, ready for `json.dumps`."""
        settings = asdict(self.settings) | {
            "biases": dict(self.settings.biases),
            "inputs": dict(self.settings.inputs),
            "forget_bias": list(self.forget_bias),
        }
        return {
            "schema": SCHEMA,
            "quantity": "norm of the gradient of one unit of the last output",
            "settings": settings,
            "without_forget_bias": list(self.without_forget_bias),
            "masks": [{"cell": cell, "input": x} for cell, x in self.masks],
            "curves": [
                {
                    "cell": curve.cell,
                    "state": curve.state,
                    "biases": dict(curve.biases),
                    "k": list(range(1, self.settings.steps + 1)),
                    "median": list(curve.median),
                    "lowest": list(curve.quantile(0.0)),
                    "highest": list(curve.quantile(1.0)),
                }
                for curve in self.curves
            ],
        }

    _repr_pretty_ = plain_text

    def __str__(self) -> str:
        return _table(self)

    def svg(self) -> str:
        """The norms against k on a logarithmic axis: medians, and the spread over the seeds."""
        return _plot(self)

    def _repr_svg_(self) -> str:
        return self.svg()


def _table(flow: Flow) -> str:
    """Medians over the seeds at some k, and from the first to the last how fast they change."""
    settings = flow.settings
    steps = [k for k in _COLUMNS if k < settings.steps] + [settings.steps]
    rows = [["cell", "state", *(f"k={k}" for k in steps), "per step"]]
    for curve in flow.curves:
        median = curve.median
        rows.append([curve.label, curve.state, *(f"{median[k - 1]:.1e}" for k in steps)])
        rows[-1].append(_rate(curve))
    widths = [max(len(row[c]) for row in rows) for c in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if c < 2 else cell.rjust(width)
            for c, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(
        [
            "Norm of the gradient of one unit of the last output by the states k steps earlier,",
            f"median of {settings.seeds} seeds; H={settings.hidden_size}, "
            f"D={settings.input_size}, T={settings.steps}, weights uniform in "
            f"±{settings.scale:g}/sqrt(H), inputs normal with standard deviation "
            f"{settings.input_scale:g}",
            *_rules(flow),
            "",
            *lines,
        ]
    )


def _rules(flow: Flow) -> list[str]:
    """What was set for every cell that has it, and which have it not."""
    lines = []
    if flow.forget_bias:
        values = " or ".join(f"{value:g}" for value in flow.forget_bias)
        without = ", ".join(dict.fromkeys(flow.without_forget_bias))
        lines.append(
            f"gates on a state's direct path start with a bias of {values} that keeps the state"
            + (f"; without one: {without}" if without else "")
        )
    lines += [f"input {name} is {_how(how)}" for name, how in flow.settings.inputs.items()]
    lines += [f"input {x} of {cell} is {_how('mask:0.5')}" for cell, x in flow.masks]
    return lines


def _how(how: str) -> str:
    return f"1 with probability {how[5:]}, else 0" if how.startswith("mask:") else how


def _rate(curve: Curve) -> str:
    """The factor by which the norm changes a step, over the second half of the steps."""
    median = curve.median
    middle, last = len(median) // 2, len(median) - 1
    if middle >= last or not median[last] > 0:
        return "-"
    return f"{(median[last] / median[middle]) ** (1 / (last - middle)):.3f}"


def _plot(flow: Flow) -> str:
    """The medians against k on a logarithmic axis; bands reach from the lowest to the highest."""
    settings = flow.settings
    colours: dict[str, int] = {}
    states: dict[str, int] = {}
    lines = []
    for curve in flow.curves:
        several = sum(other.label == curve.label for other in flow.curves) > 1
        dash = states[curve.label] = states.get(curve.label, -1) + 1
        lines.append(
            Line(
                f"{curve.label}: {curve.state}" if several else curve.label,
                range(1, settings.steps + 1),
                curve.median,
                curve.quantile(0.0),
                curve.quantile(1.0),
                colours.setdefault(curve.label, len(colours)),
                dash,
            )
        )
    return line_plot(
        lines,
        title="How far gradients reach",
        x_label="k, steps back from the last output",
        y_label="norm of the gradient",
        logarithmic=True,
    )


def _is_number(text: str) -> bool:
    try:
        return isfinite(float(text))
    except ValueError:
        return False
