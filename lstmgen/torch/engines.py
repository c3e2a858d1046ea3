"""Which module computes a cell on a kind of device: chosen once, where a layer is made."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

import torch

import lstmgen
from lstmgen import targets
from lstmgen.cell import Cell
from lstmgen.errors import UnavailableError, UsageError
from lstmgen.torch.aliases import Maybe, Tensors
from lstmgen.torch.arrays import Arrays, CupyArrays, NumpyArrays
from lstmgen.torch.tapes import Tapes, no_tape

__all__ = ["PREFERRED", "Engine", "find", "prepare"]

PREFERRED: Mapping[str, tuple[str, ...]] = {"cpu": ("c", "numpy"), "cuda": ("cupy",)}
"""For each kind of device the targets that serve it, the best first."""


class Engine:
    """A cell's module for one target, called with tensors.

    Attributes:
        key: what operators know it by: the cell's name, the hash of its equations, the target.
        tapes: the tapes that are on their way from forward to backward.
    """

    def __init__(self, cell: Cell, target: str, module: Any, arrays: Arrays) -> None:
        self.cell, self.target, self.module, self.arrays = cell, target, module, arrays
        self.key = _key(cell, target)
        self.tapes = Tapes(keep_spares=arrays.keep_spares)

    def forward(
        self,
        inputs: Tensors,
        state: Tensors,
        params: Tensors,
        lengths: Maybe,
        restart: Maybe,
        keep: bool,
    ) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
        """The output at every step, the last states, and a handle for the tape if it is kept."""
        with self.arrays.session(params[0].device):
            named = self._named(params)
            y, last, tape, key = self._run(inputs, state, named, lengths, restart, keep)
            tensor = self.arrays.tensor
            handle = self.tapes.hold(key, tape, (_addresses(params), named)) if keep else no_tape()
            return tensor(y), [tensor(last[s][None]) for s in self.module.STATES], handle

    def backward(
        self,
        handle: torch.Tensor,
        inputs: Tensors,
        state: Tensors,
        params: Tensors,
        lengths: Maybe,
        restart: Maybe,
        dy: Maybe,
        dstate: Sequence[Maybe],
    ) -> tuple[list[torch.Tensor], list[torch.Tensor], list[torch.Tensor]]:
        """The gradients of the inputs, of the states if they were given, of the parameters.

        Either all of dstate are None or none of them is.
        """
        module, array, tensor = self.module, self.arrays.array, self.arrays.tensor
        with self.arrays.session(params[0].device):
            tape, before = self.tapes.find(handle)
            if before is not None and before[0] == _addresses(params):
                named = before[1]
            else:  # what shards parameters has moved them
                named = self._named(params)
            if tape is None:  # it was not kept, or the handle was copied
                *_, tape, _ = self._run(inputs, state, named, lengths, restart, True)
            given = {
                s: array(d)[0] for s, d in zip(module.STATES, dstate, strict=True) if d is not None
            }
            dparams, dx, dstate0 = module.backward(
                named, tape, None if dy is None else array(dy), given or None
            )
            dinputs = [dx] if len(inputs) == 1 else [dx[name] for name in module.INPUTS]
            return (
                [tensor(d) for d in dinputs],
                [tensor(dstate0[s][None]) for s in module.STATES] if state else [],
                [tensor(dparams[p]) for p in module.PARAMETERS],
            )

    def _run(
        self,
        inputs: Tensors,
        state: Tensors,
        named: dict[str, Any],
        lengths: Maybe,
        restart: Maybe,
        keep: bool,
    ) -> tuple[Any, dict[str, Any], Any, Hashable]:
        """What the module's forward returns, and what its tape is the same as another by."""
        module, array = self.module, self.arrays.array
        arrays = [array(x) for x in inputs]
        options: dict[str, Any] = {}
        for name, value in (("lengths", lengths), ("restart", restart)):
            if value is not None:
                options[name] = array(value)
        key: Hashable = None
        if keep:
            shapes = (a.shape for a in (*arrays, *named.values()))
            key = (*shapes, arrays[0].dtype, *options)
            options["reuse"] = self.tapes.spare(key)
        y, last, tape = module.forward(
            named,
            arrays[0] if len(arrays) == 1 else dict(zip(module.INPUTS, arrays, strict=True)),
            {s: array(a)[0] for s, a in zip(module.STATES, state, strict=True)} if state else None,
            tape=keep,
            **options,
        )
        return y, last, tape, key

    def _named(self, params: Tensors) -> dict[str, Any]:
        array = self.arrays.array
        return {p: array(a) for p, a in zip(self.module.PARAMETERS, params, strict=True)}

    def __repr__(self) -> str:
        return f"<Engine {self.key}>"


def prepare(cell: Cell, device: str) -> Engine:
    """The engine of a cell on a kind of device, by the best target that is here.

    Args:
        cell: the cell.
        device: "cpu" or "cuda".

    Raises:
        UsageError: there is no target for such devices.
        UnavailableError: none of them can be used here; the message has the reason of each.
    """
    if device not in PREFERRED:
        known = " and ".join(PREFERRED)
        raise UsageError(f"device: there are modules for {known}, not for {device}")
    reasons = []
    for target in PREFERRED[device]:
        try:
            return _made(cell, target, device)
        except (UsageError, UnavailableError) as error:
            reasons.append(f"{target}: {error}")
    raise UnavailableError(f"{cell.name} cannot be computed on {device} here; {'; '.join(reasons)}")


def find(key: str) -> Engine:
    """The engine of that key.

    A layer keeps its engines.  A program that was exported and loaded again has no layer: the
    engine is made for it, if the cell is one that lstmgen knows by its name.

    Raises:
        UsageError: it is not known here.
    """
    engine = _ENGINES.get(key)
    if engine is not None:
        return engine
    from lstmgen.library.loading import load, names

    name, _, target = key.split(":")
    cell = load(name) if name in names() else None
    device = next((d for d, preferred in PREFERRED.items() if target in preferred), None)
    if cell is None or device is None or _key(cell, target) != key:
        raise UsageError(
            f"no layer of the cell {key} was made in this process; make a lstmgen.torch.Recurrent "
            "of it first, and keep it"
        )
    _KEPT.append(_made(cell, target, device))
    return _KEPT[-1]


def _addresses(tensors: Tensors) -> list[int]:
    return [a.data_ptr() for a in tensors]


def _made(cell: Cell, target: str, device: str) -> Engine:
    with _LOCK:
        key = _key(cell, target)
        engine = _ENGINES.get(key)
        if engine is None:
            found = targets.get(target)
            found.check_available(device)
            if key not in _MODULES:
                _MODULES[key] = lstmgen.compile(cell, found)
            engine = Engine(cell, target, _MODULES[key], _ARRAYS[device]())
            _ENGINES[key] = engine
        return engine


def _key(cell: Cell, target: str) -> str:
    return f"{cell.name}:{cell.digest}:{target}"


_ARRAYS: Mapping[str, Callable[[], Arrays]] = {"cpu": NumpyArrays, "cuda": CupyArrays}
_ENGINES: WeakValueDictionary[str, Engine] = WeakValueDictionary()
_KEPT: list[Engine] = []
_MODULES: dict[str, Any] = {}  # making one takes longer than keeping it
_LOCK = Lock()
