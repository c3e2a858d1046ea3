"""What PyTorch's autograd saves in a forward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch

__all__ = ["saved_bytes"]


def saved_bytes(forward: Callable[[], tuple[Any, ...]], given: Iterable[Any]) -> int:
    """Bytes of the distinct memory blocks that a forward pass saves for backward.

    Not counted are the blocks of the first result, y, and of the tensors that were there before.
    A block may be larger than what is ever written to: oneDNN's workspaces are.
    """
    saved: dict[int, int] = {}
    held = []  # so that no address is used twice

    def pack(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        saved[storage.data_ptr()] = storage.nbytes()
        held.append(storage)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        y = forward()[0]
    for tensor in (y, *given):
        saved.pop(tensor.untyped_storage().data_ptr(), None)
    return sum(saved.values())
