"""A layer of torch, or a class that makes one: torch.nn's own, or somebody's.

Its parameters are those of the cell by name (W_f, or W_f_l0, or cell.W_f), or they are stacked as
torch.nn stacks them (weight_ih_l0, weight_ih), for the cells whose gates `lstmgen.interop` knows,
whether the layer computes the same cell or another one with these gates.
"""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from lstmgen.errors import UsageError
from lstmgen.interop.layouts import CELLS, LAYOUTS
from lstmgen.interop.pytorch import entries as torch_entries
from lstmgen.interop.stacks import Converter
from lstmgen.library.loading import load
from lstmgen.stages import Stages
from lstmgen.verification.against.functions import autograd, detached, one_or_all
from lstmgen.verification.against.subjects import Outcome, Subject, failure, outcome, shown
from lstmgen.verification.cases import Array, Arrays, Case, Gradient
from lstmgen.verification.points import Shape

__all__ = ["fixed_sizes", "is_layer", "layer_subjects"]


def is_layer(found: Any) -> bool:
    """Whether it is a torch module, a class of them, or a function of the two sizes."""
    torch = sys.modules.get("torch")
    if torch is None:
        return False
    if isinstance(found, type):
        return issubclass(found, torch.nn.Module)
    return isinstance(found, torch.nn.Module) or _makes_layers(found)


def _makes_layers(found: Any) -> bool:
    try:
        names = [*inspect.signature(found).parameters]
    except (TypeError, ValueError):
        return False
    return names[:2] == ["input_size", "hidden_size"]


def layer_subjects(found: Any, cell: Stages, name: str) -> list[Subject]:
    """The ways in which a layer may be called, the likely one first.

    Raises:
        UsageError: it has several layers or directions, or other parameters than the cell.
    """
    torch = sys.modules["torch"]
    if isinstance(found, torch.nn.Module):
        instance = found

        def make(shape: Shape) -> Any:
            return copy.deepcopy(instance)

    else:

        def make(shape: Shape) -> Any:
            sizes = [shape.size(symbol) for symbol in cell.normal_form.input_sizes]
            try:
                return found(sizes[0] if sizes else shape.H, shape.H)
            except Exception as error:
                made = f"made as {name}(input_size, hidden_size)"
                raise failure(name, error, made) from error

    example = make(Shape(1, 1, 2, tuple((s, 3) for s in cell.normal_form.input_sizes)))
    if not isinstance(example, torch.nn.Module):
        raise UsageError(f"--against {name}: it made {shown(example)}, not a torch module")
    if getattr(example, "num_layers", 1) != 1 or getattr(example, "bidirectional", False):
        raise UsageError(f"--against {name}: expected one layer and one direction")
    if isinstance(example, torch.nn.RNNCellBase):
        return [_Layer(make, cell, name, torch, "one step")]
    if isinstance(example, torch.nn.RNNBase):
        return [_Layer(make, cell, name, torch, "layers")]
    return [_Layer(make, cell, name, torch, how) for how in ("dict", "tuple", "layers")]


def fixed_sizes(found: Any, cell: Stages, name: str) -> dict[str, int] | None:
    """The sizes of a layer that is made already, by symbol; None for what can be made anew."""
    torch = sys.modules["torch"]
    if not isinstance(found, torch.nn.Module):
        return None
    form = cell.normal_form
    sizes = {"H": getattr(found, "hidden_size", None)}
    for symbol in form.input_sizes:
        sizes[symbol] = getattr(found, "input_size", None)
    for symbol in form.extra_sizes:
        sizes[symbol] = getattr(found, "proj_size", None)
    if not all(isinstance(size, int) and size > 0 for size in sizes.values()):
        raise UsageError(
            f"--against {name}: the layer must say its sizes as input_size and hidden_size; "
            "or give its class, or a function (input_size, hidden_size) that makes one"
        )
    return {symbol: int(str(size)) for symbol, size in sizes.items()}


class _Layer:
    """One layer, called in one way.

    Args:
        make: makes it for a size; each call makes a new one.
        cell, name: what it should compute, and what it is called.
        torch: the library.
        how: in what form it takes the state: "dict", "tuple" (or the one tensor), "layers" (the
            same with a first axis of length one), or "one step", as torch.nn.LSTMCell.
    """

    what = "a torch module"

    def __init__(
        self, make: Callable[[Shape], Any], cell: Stages, name: str, torch: ModuleType, how: str
    ) -> None:
        self._make, self._cell, self._name, self._torch, self._how = make, cell, name, torch, how
        self._form = cell.normal_form

    def run(self, case: Case) -> Outcome:
        """Call it with the case's numbers as its parameters."""
        module, _ = self._loaded(case)
        try:
            return outcome(self._call(module, *self._tensors(case)), self._form, case, detached)
        except Exception as error:
            raise failure(self._name, error, self._called()) from error

    def autograd(self, case: Case, seed: str) -> Gradient | None:
        """Gradients of its parameters as those of the cell's."""
        module, places = self._loaded(case)
        x, initial = self._tensors(case)
        groups = [{n: p for n, p in module.named_parameters() if n in places}, x, initial]
        try:
            returned = self._call(module, x, initial)
            found = autograd(self._torch, returned, groups, self._form, case, seed)
        except Exception as error:
            raise failure(self._name, error, "differentiated by autograd") from error
        if found is None:
            return None
        slopes = {name: np.zeros(array.size) for name, array in case.parameters.items()}
        for entry, at in places.items():
            for name, (own, theirs, sign) in at.items():
                np.add.at(slopes[name], own, sign * found.parameters[entry].ravel()[theirs])
        parameters = {n: slopes[n].reshape(a.shape) for n, a in case.parameters.items()}
        return Gradient(parameters, found.inputs, found.initial)

    def _called(self) -> str:
        return {
            "dict": "called with (x, state), the state as a dict",
            "tuple": "called with (x, state), the state as tensors (B, H)",
            "layers": "called with (x, state), the state as tensors (1, B, H)",
            "one step": "called step by step",
        }[self._how]

    def _loaded(self, case: Case) -> tuple[Any, dict[str, _Places]]:
        """A new layer with the case's parameters, and where each of its numbers comes from."""
        module = self._make(case.shape).to(getattr(self._torch, case.dtype)).eval()
        shapes = {name: tuple(p.shape) for name, p in module.named_parameters()}
        places = _places(self._cell, case.parameters, shapes, self._name)
        for name, parameter in module.named_parameters():
            flat = np.zeros(parameter.numel(), case.dtype)
            for own, (source, target, sign) in places.get(name, {}).items():
                flat[target] = sign * case.parameters[own].ravel()[source]
            parameter.data = self._torch.tensor(flat.reshape(shapes[name]))
        return module, places

    def _tensors(self, case: Case) -> tuple[dict[str, Any], dict[str, Any]]:
        x, initial = (
            {name: self._torch.tensor(array, requires_grad=True) for name, array in arrays.items()}
            for arrays in (case.inputs, case.initial)
        )
        return x, initial

    def _call(self, module: Any, x: dict[str, Any], initial: dict[str, Any]) -> Any:
        if self._how == "one step":
            return self._step_by_step(module, one_or_all(x), initial)
        across = bool(getattr(module, "batch_first", False))
        given = {name: 1 * (v.transpose(0, 1) if across else v) for name, v in x.items()}
        more = (None,) * (self._how == "layers")
        states = {name: 1 * v[more] for name, v in initial.items()}
        ordered = tuple(states[s] for s in self._form.states)
        packed = states if self._how == "dict" else ordered if len(ordered) > 1 else ordered[0]
        returned = module(one_or_all(given), packed)
        if across and isinstance(returned, (tuple, list)) and len(returned) > 1:
            return (returned[0].transpose(0, 1), *returned[1:])
        return returned

    def _step_by_step(self, module: Any, x: Any, initial: dict[str, Any]) -> Any:
        state = tuple(initial[s] for s in self._form.states)
        outputs = []
        for x_t in x:
            new = module(x_t, state if len(state) > 1 else state[0])
            state = tuple(new) if isinstance(new, (tuple, list)) else (new,)
            outputs.append(state[self._form.states.index(self._form.output)])
        return self._torch.stack(outputs), state


_Places = dict[str, tuple[Array, Array, Array]]
"""By the cell's parameter: which of its numbers, where in the layer's, and with which sign."""


def _places(
    cell: Stages, parameters: Arrays, shapes: Mapping[str, tuple[int, ...]], name: str
) -> dict[str, _Places]:
    """For each parameter of a layer, where its numbers are in the cell's parameters."""
    named = {p: _named(p, shapes) for p in parameters}
    if all(named.values()):
        entries = {str(entry): parameters[p].shape for p, entry in named.items()}
        found = {
            str(entry): {p: (_count(parameters[p]), _count(parameters[p]), np.ones(()))}
            for p, entry in named.items()
        }
    else:
        entries, found = _stacked(cell, parameters, shapes, name)
    for entry, shape in entries.items():
        if entry not in shapes:
            raise UsageError(
                f"--against {name}: the layer has no {entry}, and the cell {cell.name} needs it"
            )
        if shapes[entry] != shape:
            raise UsageError(
                f"--against {name}: {entry} has shape {shapes[entry]}, and {shape} was expected"
            )
    if unknown := [entry for entry in shapes if entry not in entries]:
        raise UsageError(
            f"--against {name}: the cell {cell.name} has nothing for the layer's "
            f"{', '.join(unknown)}"
        )
    return found


def _named(parameter: str, shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    """The layer's entry of that name, if it has one."""
    found = [
        entry for entry in shapes if entry.rpartition(".")[2] in (parameter, f"{parameter}_l0")
    ]
    return found[0] if len(found) == 1 else None


def _stacked(
    cell: Stages, parameters: Arrays, shapes: Mapping[str, tuple[int, ...]], name: str
) -> tuple[dict[str, tuple[int, ...]], dict[str, _Places]]:
    """As torch.nn stacks them: found by converting the numbers' numbers."""
    first = next((e for e in shapes if e.rpartition(".")[2].startswith("weight_ih")), None)
    made = None if first is None else _converter(cell, parameters, shapes[first][0])
    if first is None or made is None:
        raise UsageError(
            f"--against {name}: its parameters are {', '.join(shapes) or 'none'}, and those of the "
            f"cell {cell.name} are {', '.join(parameters)}; call them the same, or give a function "
            "(params, x, state) -> (y, state)"
        )
    prefix, _, own = first.rpartition(".")
    prefix, suffix = prefix + "." * bool(prefix), own.removeprefix("weight_ih")
    starts, numbered, start = {}, {}, 1
    for p, array in parameters.items():
        starts[p] = start
        numbered[p] = np.arange(start, start + array.size, dtype=float).reshape(array.shape)
        start += array.size
    entries: dict[str, tuple[int, ...]] = {}
    found: dict[str, _Places] = {}
    for key, array in torch_entries(made.stacks(numbered)).items():
        entry = f"{prefix}{key}{suffix}"
        if entry not in shapes and not np.any(array):
            continue  # a second bias, which the layer may do without
        entries[entry], flat = array.shape, array.ravel()
        found[entry] = {}
        for p in parameters:
            inside = np.abs(flat) - starts[p]
            (at,) = np.nonzero((inside >= 0) & (inside < parameters[p].size))
            if at.size:
                found[entry][p] = (inside[at].astype(int), at, np.sign(flat[at]))
    return entries, found


def _converter(cell: Stages, parameters: Arrays, rows: int) -> Converter | None:
    """Between the cell and the layer of torch with its gates, in as many rows."""
    own = CELLS.get(cell.name)
    if own is None or load(cell.name).digest != cell.digest:
        return None
    if any(gate.peephole for gate in own.gates.values()):
        return None
    layouts = [
        layout
        for layout in LAYOUTS
        if layout.framework == "torch" and {*own.gates} == {*layout.order}
    ]
    layouts.sort(key=lambda layout: layout.kind != own.kind)
    hidden = len(parameters[next(iter(own.gates.values())).input])
    fitting = [layout for layout in layouts if len(layout.order) * hidden == rows]
    return Converter(cell, own, fitting[0]) if fitting else None


def _count(array: Array) -> Array:
    return np.arange(array.size)
