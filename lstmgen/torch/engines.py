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
from lstmgen.torch.tapes import Lent, Tapes

__all__ = ["PREFERRED", "Engine", "Prepared", "find", "prepare"]

PREFERRED: Mapping[str, tuple[str, ...]] = {"cpu": ("c", "numpy"), "cuda": ("cupy",)}
"""For each kind of device the targets that serve it, the best first."""


class Prepared:
    """Parameters as the module's arrays, made again only where a tensor has another memory now.

    Who calls again and again with the same parameters keeps one, with what it has of them.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: tuple[Any, ...] = (None, None, None)

    def arrays(self, params: Tensors, engine: Engine) -> tuple[list[int], dict[str, Any]]:
        """The addresses of parameters, and the arrays by their names."""
        addresses, kinds = _addresses(params), [(a.shape, a.dtype) for a in params]
        if any(map(_is_negated, params)):  # whose array is a copy
            return addresses, engine.named(params)
        known = self._known  # another thread may replace it
        if known[0] != addresses or known[1] != kinds or not all(map(_is_contiguous, params)):
            known = self._known = addresses, kinds, engine.named(params)
        return addresses, known[2]

    def __deepcopy__(self, memo: dict[int, Any]) -> Prepared:
        return Prepared()


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
        prepared: Prepared | None = None,
    ) -> tuple[list[torch.Tensor], Lent | None]:
        """The output at every step and the last states; and the tape, if it is to be kept."""
        with self.arrays.session(params[0]):
            addresses, named = (prepared or Prepared()).arrays(params, self)
            y, last, tape, key = self._run(inputs, state, named, lengths, restart, keep)
            lent = Lent(self.tapes, key, tape, addresses, named) if keep else None
            found = [y, *[last[s][None] for s in self.module.STATES]]
            return self.arrays.tensors(found), lent

    def backward(
        self,
        lent: Lent | None,
        inputs: Tensors,
        state: Tensors,
        params: Tensors,
        lengths: Maybe,
        restart: Maybe,
        dy: Maybe,
        dstate: Sequence[Maybe],
    ) -> tuple[list[torch.Tensor], list[torch.Tensor], list[torch.Tensor]]:
        """The gradients of the inputs, of the states if they were given, of the parameters.

        Without a tape the forward pass runs again.  Either all of dstate are None or none is.
        """
        module, arrays, tensors = self.module, self.arrays.arrays, self.arrays.tensors
        with self.arrays.session(params[0]):
            if lent is not None and lent.addresses == _addresses(params):
                named = lent.named
            else:  # what shards parameters has moved them
                named = self.named(params)
            if lent is None:
                *_, tape, _ = self._run(inputs, state, named, lengths, restart, True)
            else:
                tape = lent.tape
            (dy_array,) = (None,) if dy is None else arrays((dy,))
            given = None if None in dstate else self._states(dstate)
            dparams, dx, dstate0 = module.backward(named, tape, dy_array, given)
            return (
                tensors([dx] if len(inputs) == 1 else [dx[name] for name in module.INPUTS]),
                tensors([dstate0[s][None] for s in module.STATES]) if state else [],
                tensors([dparams[p] for p in module.PARAMETERS]),
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
        module, arrays = self.module, self.arrays.arrays
        options: dict[str, Any] = {}
        if lengths is not None:
            (options["lengths"],) = arrays((lengths,))
        if restart is not None:
            (options["restart"],) = arrays((restart,))
        xs = arrays(inputs)
        key: Hashable = None
        if keep:
            key = (*[a.shape for a in (*xs, *named.values())], xs[0].dtype, *options)
            options["reuse"] = self.tapes.spare(key)
        y, last, tape = module.forward(
            named,
            xs[0] if len(xs) == 1 else dict(zip(module.INPUTS, xs, strict=True)),
            self._states(state) if state else None,
            tape=keep,
            **options,
        )
        return y, last, tape, key

    def named(self, params: Tensors) -> dict[str, Any]:
        """The parameters as arrays, by their names."""
        return dict(zip(self.module.PARAMETERS, self.arrays.arrays(params), strict=True))

    def _states(self, state: Any) -> dict[str, Any]:
        states = zip(self.module.STATES, self.arrays.arrays(state), strict=True)
        return {name: array[0] for name, array in states}

    def __deepcopy__(self, memo: dict[int, Any]) -> Engine:
        return self  # as parametrizations copy a layer, by its attributes

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


_is_contiguous = torch.Tensor.is_contiguous
_is_negated = torch.Tensor.is_neg


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
