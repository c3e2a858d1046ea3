"""Which module computes a cell on a kind of device: chosen once, where a layer is made."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cache
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

import torch

import lstmgen
from lstmgen import targets
from lstmgen.cell import Cell
from lstmgen.errors import UnavailableError, UsageError
from lstmgen.targets import Target
from lstmgen.torch.aliases import Maybe, Tensors
from lstmgen.torch.arrays import Arrays, CupyArrays, NumpyArrays
from lstmgen.torch.tapes import Lent, Tapes, taken

__all__ = ["Engine", "Prepared", "find", "prepare", "ranked"]


class Prepared:
    """Parameters as the module's arrays, made again only where a tensor has another memory now.

    Who calls again and again with the same parameters keeps one, with what it has of them.

    Args:
        width: the size of the output.
    """

    __slots__ = ("_known", "width")

    def __init__(self, width: int) -> None:
        self.width = width
        self._known: tuple[Any, ...] = (None, None, None)

    def arrays(self, params: Tensors, engine: Engine) -> tuple[list[int], Hashable, dict[str, Any]]:
        """The addresses of parameters, their shapes and dtypes, and the arrays by their names."""
        addresses, kinds = [*map(_address, params)], (*map(_shape, params), *map(_dtype, params))
        if any(map(_is_negated, params)):  # whose array is a copy
            return addresses, kinds, engine.named(params)
        known = self._known  # another thread may replace it
        if known[0] != addresses or known[1] != kinds or not all(map(_is_contiguous, params)):
            known = self._known = addresses, kinds, engine.named(params)
        return known

    def __deepcopy__(self, memo: dict[int, Any]) -> Prepared:
        return Prepared(self.width)


class Engine:
    """A cell's module for one target, called with tensors.

    Attributes:
        key: what operators know it by: the cell's name, the hash of its equations, the target.
        tapes: the tapes that are on their way from forward to backward.
    """

    def __init__(self, cell: Cell, target: str, module: Any, arrays: Arrays) -> None:
        self.cell, self.target, self.module, self.arrays = cell, target, module, arrays
        self.key = _key(cell, target)
        self.tapes = Tapes()

    def forward(
        self,
        inputs: Tensors,
        state: Tensors,
        params: Tensors,
        lengths: Maybe,
        restart: Maybe,
        keep: bool,
        prepared: Prepared,
    ) -> tuple[list[torch.Tensor], Lent | None]:
        """The output at every step and the last states; and the tape, if it is to be kept."""
        module, array = self.module, self.arrays.array
        addresses, kinds, named = prepared.arrays(params, self)
        options: dict[str, Any] = {"tape": keep}
        if state:
            options["state"] = self._states(state)
        if lengths is not None:
            options["lengths"] = array(lengths)
        if restart is not None:
            options["restart"] = array(restart)
        spares, (T, B, _) = None, inputs[0].shape
        if keep and T * B * prepared.width >= self.arrays.large:
            spares = self.tapes.spares((kinds, *map(_shape, inputs)))
            options["reuse"] = taken(spares)
        x: Any = [*map(array, inputs)]
        x = x[0] if len(x) == 1 else dict(zip(module.INPUTS, x, strict=True))
        y, last, tape = module.forward(named, x, **options)
        lent = Lent(tape, addresses, named, spares) if keep else None
        found = [y]
        for s in module.STATES:
            found.append(last[s][None])
        return self.arrays.tensors(found), lent

    def backward(
        self, lent: Lent, params: Tensors, n_state: int, dy: Maybe, dstate: Sequence[Maybe]
    ) -> list[torch.Tensor]:
        """The gradients of the inputs, of the states if these were given, of the parameters.

        Either all of dstate are None or none is.
        """
        module, named = self.module, lent.named
        if lent.addresses != [*map(_address, params)]:  # what shards parameters has moved them
            named = self.named(params)
        dparams, dx, dstate0 = module.backward(
            named,
            lent.tape,
            None if dy is None else self.arrays.array(dy),
            None if dstate[0] is None else self._states(dstate),
        )
        found = [dx] if len(module.INPUTS) == 1 else [dx[name] for name in module.INPUTS]
        if n_state:
            found += [dstate0[s][None] for s in module.STATES]
        for p in module.PARAMETERS:
            found.append(dparams[p])
        return self.arrays.tensors(found)

    def named(self, params: Tensors) -> dict[str, Any]:
        """The parameters as arrays, by their names."""
        return dict(zip(self.module.PARAMETERS, map(self.arrays.array, params), strict=True))

    def _states(self, state: Any) -> dict[str, Any]:
        states = zip(self.module.STATES, map(self.arrays.array, state), strict=True)
        return {name: array[0] for name, array in states}

    def __deepcopy__(self, memo: dict[int, Any]) -> Engine:
        return self  # as parametrizations copy a layer, by its attributes

    def __repr__(self) -> str:
        return f"<Engine {self.key}>"


class DeviceEngine(Engine):
    """The same for tensors on CUDA, where all is done in a session."""

    arrays: CupyArrays

    def forward(self, inputs: Tensors, state: Tensors, params: Tensors, *rest: Any) -> Any:
        """As that of every engine."""
        with self.arrays.session(params[0]):
            return super().forward(inputs, state, params, *rest)

    def backward(self, lent: Lent, params: Tensors, *rest: Any) -> Any:
        """As that of every engine."""
        with self.arrays.session(params[0]):
            return super().backward(lent, params, *rest)


def prepare(cell: Cell, device: str) -> Engine:
    """The engine of a cell on a kind of device, by the best target that is here.

    Args:
        cell: the cell.
        device: "cpu" or "cuda".

    Raises:
        UsageError: there is no target for such devices.
        UnavailableError: none of them can be used here; the message has the reason of each.
    """
    if device not in _KINDS:
        known = " and ".join(_KINDS)
        raise UsageError(f"device: there are modules for {known}, not for {device}")
    reasons = []
    for target in ranked(device):
        try:
            return _made(cell, target)
        except (UsageError, UnavailableError) as error:
            reasons.append(f"{target.name}: {error}")
    raise UnavailableError(f"{cell.name} cannot be computed on {device} here; {'; '.join(reasons)}")


@cache  # as looking for packages takes longer than making a layer
def ranked(device: str) -> tuple[Target, ...]:
    """The targets whose modules compute on a kind of device, the best first."""
    known, _ = targets.available()
    fitting = [target for target in known.values() if target.tensors == device]
    return tuple(sorted(fitting, key=lambda target: -target.rank))


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
    if cell is None or _key(cell, target) != key:
        raise UsageError(
            f"no layer of the cell {key} was made in this process; make a lstmgen.torch.Recurrent "
            "of it first, and keep it"
        )
    _KEPT.append(_made(cell, targets.get(target)))
    return _KEPT[-1]


_is_contiguous = torch.Tensor.is_contiguous
_is_negated = torch.Tensor.is_neg
_address = torch.Tensor.data_ptr
_shape = torch.Tensor.shape.__get__
_dtype = torch.Tensor.dtype.__get__


def _made(cell: Cell, target: Target) -> Engine:
    with _LOCK:
        key = _key(cell, target.name)
        engine = _ENGINES.get(key)
        if engine is None:
            device = str(target.tensors)
            target.check_available(device)
            if key not in _MODULES:
                _MODULES[key] = lstmgen.compile(cell, target)
            kind, arrays = _KINDS[device]
            engine = kind(cell, target.name, _MODULES[key], arrays())
            _ENGINES[key] = engine
        return engine


def _key(cell: Cell, target: str) -> str:
    return f"{cell.name}:{cell.digest}:{target}"


_KINDS: Mapping[str, tuple[type[Engine], Callable[[], Arrays]]] = {
    "cpu": (Engine, NumpyArrays),
    "cuda": (DeviceEngine, CupyArrays),
}
_ENGINES: WeakValueDictionary[str, Engine] = WeakValueDictionary()
_KEPT: list[Engine] = []
_MODULES: dict[str, Any] = {}  # making one takes longer than keeping it
_LOCK = Lock()
