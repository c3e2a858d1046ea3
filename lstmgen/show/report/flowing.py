"""The measured gradient flow as the page shows it: the plot and its numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

from lstmgen.show.flow import Curve, Settings, measure
from lstmgen.show.report.formulas import symbol

if TYPE_CHECKING:
    from lstmgen.stages import Stages

__all__ = ["SETTINGS", "Measured", "flowing"]

SETTINGS = Settings(hidden_size=32, input_size=16, steps=100, seeds=5)
"""What pages are measured with: small enough that a library's pages take a minute or two."""

_COLUMNS = (1, 2, 5, 10, 20, 50, 100)


@dataclass(frozen=True)
class Measured:
    """The plot, and the medians at some k.

    Attributes:
        plot: the SVG; empty if no gradient can be drawn on a logarithmic axis.
        steps: the columns, values of k.
        rows: the state, what was set, and its medians.
        settings: what it was measured with.
        command: what measures it again.
    """

    plot: Markup
    steps: tuple[int, ...]
    rows: tuple[tuple[Markup, Markup, tuple[str, ...]], ...]
    settings: Settings
    command: str


def flowing(cell: Stages, progress: Callable[[str, float], None] | None = None) -> Measured:
    """Measure the gradient flow of a cell with the settings of all pages."""
    flow = measure([cell], SETTINGS, progress=progress)
    try:
        plot = Markup(flow.svg())
    except ValueError:  # every norm is zero or not finite
        plot = Markup("")
    return Measured(
        plot,
        _COLUMNS,
        tuple(_row(curve) for curve in flow.curves),
        SETTINGS,
        f"lstmgen flow {cell.name} -H {SETTINGS.hidden_size} -D {SETTINGS.input_size} "
        f"-T {SETTINGS.steps} --seeds {SETTINGS.seeds} -o {cell.name}_flow.svg",
    )


def _row(curve: Curve) -> tuple[Markup, Markup, tuple[str, ...]]:
    median = curve.median
    set_to = Markup(", ").join(
        Markup("{} = {:g}").format(symbol(name), value) for name, value in curve.biases.items()
    )
    return symbol(curve.state), set_to, tuple(_number(median[k - 1]) for k in _COLUMNS)


def _number(value: float) -> str:
    digits, exponent = f"{value:.1e}".split("e")
    return f"{digits}e{int(exponent)}".replace("-", "−") if value else "0"
