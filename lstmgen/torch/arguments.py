"""What a layer is called with, checked and brought into one form: time first, with a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

__all__ = ["DTYPES", "inputs", "lengths", "restart", "state"]

DTYPES = (torch.float32, torch.float64)
_LOWERED = (torch.float16, torch.bfloat16, torch.float32)  # what autocast makes, and takes


def inputs(
    x: Any, sizes: Mapping[str, int], weight: Tensor, by_batch: bool
) -> tuple[list[Tensor], bool]:
    """The inputs in the order of `sizes` as (T, B, size), and whether there was a batch.

    Args:
        x: as the user gave it.
        sizes: of each input by its name.
        weight: a parameter of the layer.
        by_batch: whether x is (B, T, size).

    Raises:
        ValueError, TypeError: it does not fit.
    """
    if (
        type(x) is Tensor
        and len(sizes) == 1
        and len(shape := x.shape) == 3
        and shape[2] in sizes.values()
        and x.dtype == weight.dtype in DTYPES
        and x.device == weight.device
    ):
        return [x.transpose(0, 1) if by_batch else x], True  # nothing else is to be done
    names = list(sizes)
    if isinstance(x, Mapping):
        for name in (*names, *x):
            if name not in x or name not in names:
                raise ValueError(f"x: expected a dict of {', '.join(names)}, got {list(x)}")
        given = [x[name] for name in names]
    elif len(names) > 1:
        raise TypeError(f"x: expected a dict of {', '.join(names)}, got {type(x).__name__}")
    else:
        given = [x]
    if weight.dtype not in DTYPES:
        raise TypeError(
            f"the layer's parameters are {weight.dtype}: it computes in torch.float32 and "
            "torch.float64; layer.float() makes them so, and autocast is fine with that"
        )
    axes = max(getattr(value, "ndim", 0) for value in given)
    found: list[Tensor] = []
    for name, value in zip(names, given, strict=True):
        label, size = "x" if len(names) == 1 else f"x[{name!r}]", sizes[name]
        value = _fitting(label, value, weight)
        if size == 1 and value.dim() == axes - 1 and len(names) > 1:
            value = value.unsqueeze(-1)  # one number for each row and step
        if value.dim() not in (2, 3) or value.dim() != axes or value.shape[-1] != size:
            layout = f"(B, T, {size})" if by_batch else f"(T, B, {size})"
            raise ValueError(
                f"{label}: expected {layout}, or (T, {size}), got {tuple(value.shape)}"
            )
        if axes == 2:
            value = value.unsqueeze(1)
        elif by_batch:
            value = value.transpose(0, 1)
        if found and value.shape[:2] != found[0].shape[:2]:
            raise ValueError(
                f"{label}: expected as many steps and rows as x[{names[0]!r}] has, "
                f"{tuple(given[0].shape)}, got {tuple(given[len(found)].shape)}"
            )
        found.append(value)
    return found, axes == 3


def state(
    given: Any, widths: Mapping[str, int], rows: int, B: int, batched: bool, weight: Tensor
) -> list[Tensor]:
    """The states in the order of `widths` as (rows, B, size); none for zeros.

    Args:
        given: a tensor for one state, or a tuple of them.
        widths: the size of each state by its name.
        rows: layers times directions.
        B: the batch size.
        batched: whether they have an axis of the batch.
        weight: a parameter of the layer.

    Raises:
        ValueError, TypeError: they do not fit.
    """
    if given is None:
        return []
    tensors = [given] if isinstance(given, Tensor) else given
    if not isinstance(tensors, (list, tuple)) or len(tensors) != len(widths):
        many = isinstance(given, (list, tuple))
        got = f"{len(given)} tensors" if many else type(given).__name__
        wanted = "a tensor" if len(widths) == 1 else f"a tuple of {', '.join(widths)}"
        raise TypeError(f"state: expected {wanted}, got {got}")
    found = []
    for (name, width), value in zip(widths.items(), tensors, strict=True):
        label = "state" if len(widths) == 1 else f"state {name}"
        value = _fitting(label, value, weight)
        shape = (rows, B, width) if batched else (rows, width)
        if tuple(value.shape) != shape:
            raise ValueError(f"{label}: expected shape {shape}, got {tuple(value.shape)}")
        found.append(value if batched else value.unsqueeze(1))
    return found


def lengths(given: Any, B: int, batched: bool) -> Tensor:
    """The lengths as whole numbers, (B,), where they were: a module looks at them on the CPU.

    Raises:
        ValueError, TypeError: they do not fit; the module looks at the numbers themselves.
    """
    try:
        found = given if isinstance(given, Tensor) else torch.as_tensor(given, device="cpu")
    except (TypeError, ValueError, RuntimeError):
        got = type(given).__name__
        raise TypeError(f"lengths: expected {B} whole numbers, got {got}") from None
    if found.is_floating_point() or found.is_complex() or found.dtype == torch.bool:
        raise TypeError(f"lengths: expected whole numbers, got {found.dtype}")
    if not batched and found.dim() == 0:
        found = found.unsqueeze(0)
    if tuple(found.shape) != (B,):
        raise ValueError(f"lengths: expected shape {(B,)}, got {tuple(found.shape)}")
    return found.to(torch.int64)


def restart(
    given: Any, shape: tuple[int, int], batched: bool, by_batch: bool, device: torch.device
) -> Tensor:
    """Where states restart, (T, B), on the device.

    Args:
        given: booleans of the shape, or without a batch (T,).
        shape: (T, B), or if `by_batch` (B, T).
        batched: whether there is a batch.
        by_batch: whether the batch comes first.
        device: of the result.

    Raises:
        ValueError, TypeError: it does not fit.
    """
    if not isinstance(given, Tensor) or given.dtype != torch.bool:
        got = given.dtype if isinstance(given, Tensor) else type(given).__name__
        raise TypeError(f"restart: expected a tensor of torch.bool, got {got}")
    wanted = shape if batched else (shape[by_batch],)
    if tuple(given.shape) != wanted:
        raise ValueError(f"restart: expected shape {wanted}, got {tuple(given.shape)}")
    given = given.to(device)
    if not batched:
        return given.unsqueeze(1)
    return given.transpose(0, 1) if by_batch else given


def _fitting(label: str, value: Any, weight: Tensor) -> Tensor:
    """A tensor of a parameter's dtype and device; autocast may change the dtype.

    Raises:
        ValueError, TypeError: it does not fit.
    """
    if not isinstance(value, Tensor):
        raise TypeError(f"{label}: expected a tensor, got {type(value).__name__}")
    if value.device != weight.device:
        raise ValueError(f"{label}: expected a tensor on {weight.device}, got {value.device}")
    if value.dtype != weight.dtype:
        if value.dtype in _LOWERED and torch.is_autocast_enabled(value.device.type):
            return value.to(weight.dtype)
        raise TypeError(
            f"{label}: expected {weight.dtype} like the layer's parameters, got {value.dtype}"
        )
    return value
