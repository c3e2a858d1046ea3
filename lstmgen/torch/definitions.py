"""The operators lstmgen::forward and lstmgen::backward: what they compute, in what shapes.

    forward(key, inputs, state, params, lengths, restart, widths)
        -> output at every step, last states, handle of the tape
    backward(key, handle, inputs, state, params, lengths, restart, dy, dstate)
        -> gradients of inputs, of state, of params

An input is (T, B, D), a state (1, B, size), and `state` is empty for zeros; `widths` are the sizes
of the output and of each state; `lengths` is (B,), `restart` (T, B).  `key` names an engine.

Both have a shape function, so that programs with them are compiled and exported, and a rule for
vmap, a loop over the samples.  `operators.py` gives them a rule for autograd.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from lstmgen.torch import engines
from lstmgen.torch.aliases import Groups, Maybe, Tensors
from lstmgen.torch.tapes import no_tape

__all__ = ["BACKWARD", "FORWARD", "differentiate", "split"]

_LIBRARY = torch.library.Library("lstmgen", "DEF")
_LIBRARY.define(
    "forward(str key, Tensor[] inputs, Tensor[] state, Tensor[] params, Tensor? lengths, "
    "Tensor? restart, int[] widths, bool keep=True) -> (Tensor, Tensor[], Tensor)",
    tags=(torch.Tag.pt2_compliant_tag,),
)
_LIBRARY.define(
    "backward(str key, Tensor handle, Tensor[] inputs, Tensor[] state, Tensor[] params, "
    "Tensor? lengths, Tensor? restart, Tensor? dy, Tensor?[] dstate) "
    "-> (Tensor[], Tensor[], Tensor[])",
    tags=(torch.Tag.pt2_compliant_tag,),
)
FORWARD = torch.ops.lstmgen.forward.default
BACKWARD = torch.ops.lstmgen.backward.default


def differentiate(forward: Callable[..., Any], backward: Callable[..., Any]) -> None:
    """Call these in place of the operators where autograd is at work."""
    _LIBRARY.impl("forward", forward, "Autograd")
    _LIBRARY.impl("backward", backward, "Autograd")


def split(tensors: Tensors, n_inputs: int, n_state: int) -> Groups:
    """What belongs to inputs, to state and to params."""
    n = n_inputs + n_state
    return tensors[:n_inputs], tensors[n_inputs:n], tensors[n:]


# What they compute, and in what shapes -----------------------------------------------------------


def _forward(
    key: str,
    inputs: Tensors,
    state: Tensors,
    params: Tensors,
    lengths: Maybe,
    restart: Maybe,
    widths: Sequence[int],
    keep: bool = True,
) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
    engine = engines.find(key)
    prepared = engines.Prepared(widths[0])
    (y, *last), lent = engine.forward(inputs, state, params, lengths, restart, keep, prepared)
    return y, last, no_tape() if lent is None else engine.tapes.handle((lent,))


def _backward(
    key: str,
    handle: torch.Tensor,
    inputs: Tensors,
    state: Tensors,
    params: Tensors,
    lengths: Maybe,
    restart: Maybe,
    dy: Maybe,
    dstate: Sequence[Maybe],
) -> Groups:
    engine = engines.find(key)
    lent = engine.tapes.find(handle)
    if lent is None:  # a copy of a handle, or none
        once = engines.Prepared(0)
        _, lent = engine.forward(inputs, state, params, lengths, restart, True, once)
        assert lent is not None, "it was to be kept"
    found = engine.backward(lent, params, len(state), dy, dstate)
    return split(found, len(inputs), len(state))


def _forward_shapes(
    key: str,
    inputs: Tensors,
    state: Tensors,
    params: Tensors,
    lengths: Maybe,
    restart: Maybe,
    widths: Sequence[int],
    keep: bool = True,
) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
    x = inputs[0]
    T, B = x.shape[:2]
    y = x.new_empty((T, B, widths[0]))
    last = [x.new_empty((1, B, width)) for width in widths[1:]]
    return y, last, torch.empty(1, dtype=torch.uint8, device="cpu")


def _backward_shapes(
    key: str,
    handle: torch.Tensor,
    inputs: Tensors,
    state: Tensors,
    params: Tensors,
    *_: Any,
) -> tuple[list[torch.Tensor], ...]:
    return tuple([a.new_empty(a.shape) for a in group] for group in (inputs, state, params))


# vmap --------------------------------------------------------------------------------------------


def _forward_over_samples(info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[Any, Any]:
    found = [FORWARD(*_sample(arguments, in_dims, k)) for k in range(info.batch_size)]
    y, last, handles = zip(*found, strict=True)
    handle = engines.find(arguments[0]).tapes.share(handles)
    stacked = [torch.stack(states) for states in zip(*last, strict=True)]
    return (
        (torch.stack(y), stacked, torch.stack(handles) if handle is None else handle),
        (0, [0] * len(stacked), 0),
    )


def _backward_over_samples(info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[Any, Any]:
    found = [BACKWARD(*_sample(arguments, in_dims, k)) for k in range(info.batch_size)]
    stacked = tuple(
        [torch.stack(gradients) for gradients in zip(*group, strict=True)]
        for group in zip(*found, strict=True)
    )
    return stacked, tuple([0] * len(group) for group in stacked)


def _sample(value: Any, dim: Any, k: int) -> Any:
    """The k-th sample of tensors, in lists or alone, that have samples on an axis."""
    if isinstance(value, (list, tuple)) and isinstance(dim, (list, tuple)):
        return [_sample(v, d, k) for v, d in zip(value, dim, strict=True)]
    return value if dim is None or not isinstance(value, torch.Tensor) else value.select(dim, k)


for _name, _compute, _shapes, _over_samples in (
    ("forward", _forward, _forward_shapes, _forward_over_samples),
    ("backward", _backward, _backward_shapes, _backward_over_samples),
):
    for _device in ("CPU", "CUDA"):
        _LIBRARY.impl(_name, _compute, _device)
    torch.library.register_fake(f"lstmgen::{_name}", _shapes, lib=_LIBRARY)
    torch.library.register_vmap(f"lstmgen::{_name}", _over_samples, lib=_LIBRARY)
