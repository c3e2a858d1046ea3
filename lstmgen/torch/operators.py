"""How autograd goes through a module: by the operators, or straight where nothing else watches.

Gradients pass wherever the operators of `definitions.py` stand: in eager programs, compiled and
exported ones, and under the transforms of torch.func.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.autograd import Function, forward_ad
from torch.compiler import is_dynamo_compiling

from lstmgen.torch import engines
from lstmgen.torch.aliases import Groups, Maybe, Tensors
from lstmgen.torch.definitions import BACKWARD, FORWARD, differentiate, split
from lstmgen.torch.tapes import Lent

__all__ = ["recurrence"]


def recurrence(
    engine: engines.Engine,
    inputs: Tensors,
    state: Tensors,
    params: Tensors,
    lengths: Maybe,
    restart: Maybe,
    widths: Sequence[int],
    prepared: engines.Prepared,
) -> tuple[torch.Tensor, Sequence[torch.Tensor]]:
    """The output at every step and the last states, with gradients where they are wanted."""
    tensors = (*inputs, *state, *params)
    wanted = _wanted(tensors)
    if not is_dynamo_compiling():
        if _transformed():
            y, _, *last = _TransformedRecurrence.apply(
                engine.key, len(inputs), len(state), widths, lengths, restart, *tensors
            )
            return y, last
        if _plain(tensors) and _hooks(True) is None and not any(map(_is_wrapped, tensors)):
            # The operator would lead to the same functions; for short sequences it is a long way.
            given = inputs, state, params, lengths, restart
            if wanted:
                y, *last = _apply_plain((engine, given, widths, prepared), *tensors)
            else:
                (y, *last), _ = engine.forward(*given, False, prepared)
            return y, last
    y, last, _ = FORWARD(engine.key, inputs, state, params, lengths, restart, widths, wanted)
    return y, last


# Gradients ---------------------------------------------------------------------------------------


def _wanted(tensors: Sequence[Maybe]) -> bool:
    """Whether a derivative is wanted by any of the tensors."""
    if torch.is_grad_enabled():
        for a in tensors:
            if a is not None and a.requires_grad:
                return True
    # Tangents pass where no gradients do; that there are none here is then an error of torch's.
    return forward_ad._current_level >= 0


def _plain(tensors: Sequence[Maybe]) -> bool:
    """Whether these are tensors of torch's own, and no mode watches what becomes of them."""
    return _OWN.issuperset(map(type, tensors)) and _modes() == 0


_OWN = frozenset((torch.Tensor, torch.nn.Parameter, type(None)))


# Not public; where one is missing, everything goes through the operators.
_modes = getattr(torch._C, "_len_torch_dispatch_stack", lambda: 1)
_hooks = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", lambda _: "unknown")
_is_wrapped = torch._C._functorch.is_functorch_wrapped_tensor  # by a transform that is over
# Whether a transform of torch.func is at work; it asks for another form of Function.
_transformed = torch._C._are_functorch_transforms_active


def _below(operator: Any, *arguments: Any) -> Any:
    """Call an operator without its rule for autograd."""
    with torch._C._AutoDispatchBelowAutograd():
        return operator(*arguments)


def _forward_with_gradients(
    key: str,
    inputs: Tensors,
    state: Tensors,
    params: Tensors,
    lengths: Maybe,
    restart: Maybe,
    widths: Sequence[int],
    keep: bool = True,
) -> tuple[torch.Tensor, Sequence[torch.Tensor], torch.Tensor]:
    if not _wanted((*inputs, *state, *params)):
        return _below(FORWARD, key, inputs, state, params, lengths, restart, widths, keep)
    # Within a transform of torch.func, this is called for one of its levels: no more of it here.
    y, handle, *last = super(Function, _Recurrence).apply(
        key, len(inputs), len(state), widths, lengths, restart, *inputs, *state, *params
    )
    return y, last, handle


def _backward_with_gradients(
    key: str,
    handle: torch.Tensor,
    inputs: Tensors,
    state: Tensors,
    params: Tensors,
    lengths: Maybe,
    restart: Maybe,
    dy: Maybe,
    dstate: Sequence[Maybe],
) -> tuple[Tensors, Tensors, Tensors]:
    groups = inputs, state, params
    if not _wanted((*inputs, *state, *params, dy, *dstate)):
        return _below(BACKWARD, key, handle, *groups, lengths, restart, dy, dstate)
    found = _differentiable(key, handle, groups, lengths, restart, dy, dstate)
    return split(found, len(inputs), len(state))


class _Recurrence(Function):
    """lstmgen::forward with the gradients of inputs, state and params."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[torch.Tensor, ...]:
        found = _run(*arguments)
        _remember(ctx, arguments, found[1])
        ctx.mark_non_differentiable(found[1])
        return found

    @staticmethod
    def backward(ctx: Any, dy: Maybe, _: Maybe, *dstate: Maybe) -> tuple[Maybe, ...]:
        handle, *saved = ctx.saved_tensors
        return (*_NO_TENSORS, *_gradients(ctx, saved, handle, dy, dstate))


class _PlainRecurrence(Function):
    """The same where the module can be called without an operator between."""

    @staticmethod
    def forward(
        ctx: Any, call: tuple[Any, ...], *tensors: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        engine, (inputs, state, params, lengths, restart), widths, prepared = call
        found, ctx.lent = engine.forward(inputs, state, params, lengths, restart, True, prepared)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(lengths, restart, *tensors)
        ctx.described = engine, len(inputs), len(state), widths
        return tuple(found)

    @staticmethod
    def backward(ctx: Any, dy: Maybe, *dstate: Maybe) -> tuple[Maybe, ...]:
        found = _gradients(ctx, ctx.saved_tensors, ctx.lent, dy, dstate)
        if not _graph_stays():
            ctx.lent = None  # as what is saved goes now, though the graph may stay for a while
        return (None, *found)


# `Function.apply` without its search for transforms, which are known to be absent.
_apply_plain = super(Function, _PlainRecurrence).apply

# Not public; where it is missing, a tape stays as long as its graph.
_graph_stays = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", lambda: True)


class _TransformedRecurrence(Function):
    """The same in the form that the transforms of torch.func ask for."""

    generate_vmap_rule = True

    @staticmethod
    def forward(*arguments: Any) -> tuple[torch.Tensor, ...]:
        return _run(*arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Any, ...]) -> None:
        _remember(ctx, inputs, output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, dy: Maybe, _: Maybe, *dstate: Maybe) -> tuple[Maybe, ...]:
        handle, *saved = ctx.saved_tensors
        return (*_NO_TENSORS, *_gradients(ctx, saved, handle, dy, dstate))


_NO_TENSORS = (None,) * 6  # key, n_inputs, n_state, widths, lengths, restart


def _run(
    key: str,
    n_inputs: int,
    n_state: int,
    widths: Sequence[int],
    lengths: Maybe,
    restart: Maybe,
    *tensors: torch.Tensor,
) -> tuple[torch.Tensor, ...]:
    groups = split(tensors, n_inputs, n_state)
    y, last, handle = _below(FORWARD, key, *groups, lengths, restart, widths, True)
    return (y, handle, *last)


def _remember(ctx: Any, arguments: Sequence[Any], handle: torch.Tensor) -> None:
    """Keep what the backward pass needs; autograd sees to it that nobody changes it meanwhile."""
    key, n_inputs, n_state, widths, *tensors = arguments
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(handle, *tensors)
    ctx.described = engines.find(key), n_inputs, n_state, widths  # a graph may outlive its layer


def _gradients(
    ctx: Any, saved: Sequence[Any], tape: torch.Tensor | Lent, dy: Maybe, dstate: Sequence[Maybe]
) -> Tensors:
    """The gradients of inputs, state and params, one after the other."""
    engine, n_inputs, n_state, widths = ctx.described
    kinds = {*map(type, dstate)}
    if len(kinds) > 1 and type(None) in kinds:
        x = saved[2]
        dstate = [
            x.new_zeros((1, x.shape[1], width)) if d is None else d
            for d, width in zip(dstate, widths[1:], strict=True)
        ]
    wanted = torch.is_grad_enabled()
    watched = is_dynamo_compiling() or _transformed() or not _plain((dy, *dstate, *saved))
    if not wanted and not watched:
        lent = tape if isinstance(tape, Lent) else engine.tapes.find(tape)
        if lent is not None:
            params = saved[2 + n_inputs + n_state :]
            try:
                return engine.backward(lent, params, n_state, dy, dstate)
            except RuntimeError:
                level = _batch_level()
                if not level:
                    raise

            def compute(dy: Maybe, *dstate: Maybe) -> Tensors:
                return engine.backward(lent, params, n_state, dy, dstate)

            return _for_each(compute, level, (dy, *dstate))
    lengths, restart, *tensors = saved
    groups = split(tensors, n_inputs, n_state)
    handle = engine.tapes.handle((tape,)) if isinstance(tape, Lent) else tape
    if wanted:
        return _differentiable(engine.key, handle, groups, lengths, restart, dy, dstate)
    found = _below(BACKWARD, engine.key, handle, *groups, lengths, restart, dy, dstate)
    return [d for group in found for d in group]


def _batch_level() -> int:
    """How deep we are in the vmap of `is_grads_batched`, which is not the one of torch.func."""
    level: int = torch._C._vmapmode_increment_nesting() - 1
    torch._C._vmapmode_decrement_nesting()
    return level


def _for_each(compute: Callable[..., Tensors], level: int, given: Sequence[Maybe]) -> Tensors:
    """The gradients for each sample of `is_grads_batched`, in a loop."""

    def samples(d: Maybe, size: int) -> Any:
        return None if d is None else torch._remove_batch_dim(d, level, size, 0)

    size = max(len(samples(d, 1)) for d in given if d is not None)
    each = [samples(d, size) for d in given]
    found = [compute(*(d if d is None else d[k] for d in each)) for k in range(size)]
    return [torch._add_batch_dim(torch.stack(d), 0, level) for d in zip(*found, strict=True)]


def _differentiable(
    key: str,
    handle: torch.Tensor,
    groups: Groups,
    lengths: Maybe,
    restart: Maybe,
    dy: Maybe,
    dstate: Sequence[Maybe],
) -> Tensors:
    counts = [len(group) for group in groups[:2]]
    tensors = [a for group in groups for a in group]
    return _Gradients.apply(
        key, *counts, len(dstate), handle, lengths, restart, dy, *dstate, *tensors
    )


class _Gradients(Function):
    """lstmgen::backward, where its own derivative may be asked for: it is not derived yet."""

    generate_vmap_rule = True

    @staticmethod
    def forward(
        key: str,
        n_inputs: int,
        n_state: int,
        n_dstate: int,
        handle: torch.Tensor,
        lengths: Maybe,
        restart: Maybe,
        dy: Maybe,
        *others: Any,
    ) -> tuple[torch.Tensor, ...]:
        dstate, groups = others[:n_dstate], split(others[n_dstate:], n_inputs, n_state)
        found = _below(BACKWARD, key, handle, *groups, lengths, restart, dy, dstate)
        return tuple(d for group in found for d in group)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """Nothing is kept."""

    @staticmethod
    def backward(ctx: Any, *_: Maybe) -> Any:
        raise NotImplementedError(
            "lstmgen derives gradients of first order; the gradient of a lstmgen.torch layer "
            "cannot be differentiated again"
        )


differentiate(_forward_with_gradients, _backward_with_gradients)
