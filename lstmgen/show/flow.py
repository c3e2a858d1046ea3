"""How far gradients reach: the last output's gradient by the states k steps earlier, measured.

A generated module runs over random inputs, one step at a time.  Its `backward` then carries the
identity back from the last output, step by step, which gives the Jacobian dy_T/ds_{T-k} for every
state s and every k, exactly.  Its size is the norm of the gradient of one unit of the output: the
root of the mean, over these units, of the squared norm.

Source: S. Hochreiter, Y. Bengio, P. Frasconi, J. Schmidhuber, "Gradient Flow in Recurrent Nets",
in "A Field Guide to Dynamical Recurrent Neural Networks", IEEE Press, 2001; the forget bias:
F. Gers, J. Schmidhuber, F. Cummins, "Learning to Forget", Neural Computation 12(10), 2000.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lstmgen import targets
from lstmgen.errors import UsageError
from lstmgen.show.flow_result import SCHEMA, Curve, Flow, Settings
from lstmgen.show.flow_rules import forget_biases, masks

if TYPE_CHECKING:
    from lstmgen.stages import Stages

__all__ = ["SCHEMA", "Curve", "Flow", "Settings", "forget_biases", "measure"]

Watch = Callable[[str, float], None]


def measure(
    cells: Sequence[Stages],
    settings: Settings | None = None,
    *,
    forget_bias: Sequence[float] = (1.0,),
    progress: Watch | None = None,
) -> Flow:
    """Measure the gradient flow of cells through their generated modules.

    Args:
        cells: the cells.
        settings: sizes, seeds, initialisation.
        forget_bias: initial values of the biases that `forget_biases` finds; a cell that has one
            is measured with each value.  Empty: the biases stay as initialised.
        progress: called with a text and the part that is done, from 0 to 1.

    Raises:
        UsageError: a setting cannot be used, or no cell has a parameter that is to be set.
    """
    settings = settings or Settings()
    for name in settings.biases:
        if not any(name in cell.parameters for cell in cells):
            known = ", ".join(dict.fromkeys(p for cell in cells for p in cell.parameters))
            raise UsageError(f"no cell here has a parameter {name}; there are {known}")
    for name in settings.inputs:
        if not any(name in cell.inputs for cell in cells):
            known = ", ".join(dict.fromkeys(x for cell in cells for x in cell.inputs))
            raise UsageError(f"no cell here has an input {name}; there are {known}")
    runs: list[tuple[Stages, dict[str, float]]] = []
    without: list[str] = []
    for cell in cells:
        own = {n: v for n, v in settings.biases.items() if n in cell.parameters}
        directions = {n: d for n, d in forget_biases(cell).items() if n not in own}
        values = forget_bias if directions else forget_bias[:1]
        if not directions and not set(own) & set(forget_biases(cell)):
            without.append(cell.name)
        for value in values or (None,):
            set_to = {} if value is None else {n: d * value + 0.0 for n, d in directions.items()}
            runs.append((cell, set_to | own))
    curves: list[Curve] = []
    for number, (cell, biases) in enumerate(runs):
        module = _compile(cell)
        by_state: dict[str, list[tuple[float, ...]]] = {state: [] for state in cell.states}
        for seed in range(settings.seeds):
            if progress:
                done = (number + seed / settings.seeds) / len(runs)
                progress(f"{cell.name}, seed {seed}", done)
            for state, norms in _norms(module, cell, settings, biases, seed).items():
                by_state[state].append(norms)
        curves += [Curve(cell.name, s, biases, tuple(norms)) for s, norms in by_state.items()]
    drawn = [(c.name, x) for c in cells for x in masks(c) if x not in settings.inputs]
    return Flow(settings, tuple(curves), tuple(forget_bias), tuple(without), tuple(drawn))


def _compile(cell: Stages) -> ModuleType:
    from lstmgen.targets.rendering import compile

    return compile(cell, targets.DEFAULT)


def _parameters(
    module: ModuleType, cell: Stages, settings: Settings, biases: Mapping[str, float], seed: int
) -> dict[str, Any]:
    """The module's initial parameters, scaled and with the biases set."""
    form, H = cell.normal_form, settings.hidden_size
    sizes: Any = {x: _extent(cell, x, settings) for x in form.inputs}
    if len(sizes) == 1:
        (sizes,) = sizes.values()
    wanted = inspect.signature(module.init_params).parameters
    extra = {size: H for size in form.extra_sizes if size in wanted}
    params: dict[str, Any] = module.init_params(sizes, H, seed=seed, dtype="float64", **extra)
    for name in form.weights:
        params[name] *= settings.scale
    for name, value in biases.items():
        params[name][...] = value
    return params


def _extent(cell: Stages, value: str, settings: Settings) -> int:
    """The number of units of a value: an input's own size is D, every other is H."""
    form = cell.normal_form
    if value in form.scalar_inputs:
        return 1
    own = form.sizes[value] in form.input_sizes
    return settings.input_size if own else settings.hidden_size


def _norms(
    module: ModuleType, cell: Stages, settings: Settings, biases: Mapping[str, float], seed: int
) -> dict[str, tuple[float, ...]]:
    """For every state, the norms for k = 1 to T.

    All rows of the batch see the same sequence; row j carries back the gradient of unit j of the
    output, so that one pass gives the whole Jacobian.
    """
    form, steps = cell.normal_form, settings.steps
    params = _parameters(module, cell, settings, biases, seed)
    random = np.random.default_rng((seed, 1))

    units = _extent(cell, form.output, settings)
    as_masks = masks(cell)
    sequences = {
        x: _drawn(
            random,
            (steps, 1, 1, _extent(cell, x, settings)),
            settings.inputs.get(x, "mask:0.5" if x in as_masks else ""),
            settings.input_scale,
        )
        for x in form.inputs
    }
    tapes = []
    state = {name: np.zeros((units, _extent(cell, name, settings))) for name in form.states}
    for k in range(steps):
        x = {name: np.repeat(one[k], units, axis=1) for name, one in sequences.items()}
        given = x if len(x) > 1 else x[form.inputs[0]]
        _, state, tape = module.forward(params, given, state)
        tapes.append(tape)
    found: dict[str, list[float]] = {name: [] for name in form.states}
    dy: Any = np.eye(units)[None]
    dstate = None
    for tape in reversed(tapes):
        _, _, dstate = module.backward(params, tape, dy=dy, dstate=dstate)
        dy = None
        for name, gradient in dstate.items():
            found[name].append(float(np.sqrt(np.sum(np.square(gradient)) / units)))
    return {name: _without_rounding(norms) for name, norms in found.items()}


def _drawn(
    random: np.random.Generator, shape: tuple[int, ...], how: str, scale: float
) -> npt.NDArray[np.float64]:
    """Numbers of an input; the draws are the same however they are used."""
    normal = random.standard_normal(shape)
    if how.startswith("mask:"):
        # As a normal number has the quantile q with the probability q.
        return np.asarray(normal < NormalDist().inv_cdf(_inside(float(how[5:]))), dtype=float)
    return np.full(shape, float(how)) if how else scale * normal


def _inside(probability: float) -> float:
    return min(max(probability, 1e-300), 1 - 2.0**-53)


def _without_rounding(norms: Sequence[float]) -> tuple[float, ...]:
    """The norms, with 0 for what is no more than the rounding of the one before."""
    result: list[float] = []
    for k, norm in enumerate(norms):
        before = norms[k - 1] if k else 0.0
        result.append(0.0 if norm < 2.0**-50 * before else norm)
    return tuple(result)
