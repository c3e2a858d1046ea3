"""A measurement of gradient flow as a table and as a plot."""

from __future__ import annotations

from lstmgen.show.flow import Curve, Flow
from lstmgen.show.plot import Line, line_plot

_COLUMNS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def flow_text(flow: Flow) -> str:
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


def flow_svg(flow: Flow) -> str:
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
