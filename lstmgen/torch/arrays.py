"""Tensors as the arrays of a module, and back, without copies."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, Protocol

import numpy as np
import torch

__all__ = ["Arrays", "CupyArrays", "NumpyArrays"]


class Arrays(Protocol):
    """How tensors of one kind of device become a module's arrays.

    Attributes:
        keep_spares: whether memory of tapes is worth keeping; torch's allocator for CUDA does that
            itself.
    """

    keep_spares: bool

    def session(self, device: torch.device) -> AbstractContextManager[Any]:
        """What a module's functions are called in."""
        ...

    def array(self, tensor: torch.Tensor) -> Any:
        """The array that shares the tensor's memory."""
        ...

    def tensor(self, array: Any) -> torch.Tensor:
        """The contiguous tensor of an array, whose memory it shares if that is contiguous."""
        ...


class NumpyArrays:
    """NumPy's arrays, for tensors on the CPU, of whatever strides."""

    keep_spares = True

    def session(self, device: torch.device) -> AbstractContextManager[Any]:
        return _NOTHING

    def array(self, tensor: torch.Tensor) -> Any:
        # It copies only what no array can be: a tensor whose sign is yet to be changed.
        return tensor.numpy(force=True)

    def tensor(self, array: Any) -> torch.Tensor:
        return torch.from_numpy(np.asarray(array, order="C"))


class CupyArrays:
    """CuPy's arrays, by DLPack, for tensors on a CUDA device.

    The module's kernels run on torch's current stream, behind what was put there before, and its
    memory comes from torch's allocator.  DLPack orders nothing here: both sides are on that stream.

    No device has run this yet: tests call it with stand-ins for CuPy.
    """

    keep_spares = False

    def __init__(self) -> None:
        import cupy

        self._cupy = cupy
        self._allocator = cupy.cuda.PythonFunctionAllocator(
            _allocate, torch.cuda.caching_allocator_delete
        )

    def session(self, device: torch.device) -> AbstractContextManager[Any]:
        cuda = self._cupy.cuda
        stream = torch.cuda.current_stream(device)
        stack = ExitStack()
        stack.enter_context(cuda.Device(stream.device.index))
        stack.enter_context(cuda.ExternalStream(stream.cuda_stream, stream.device.index))
        stack.enter_context(cuda.using_allocator(self._allocator.malloc))
        return stack

    def array(self, tensor: torch.Tensor) -> Any:
        if tensor.dtype == torch.bool:  # which not every DLPack knows
            return self._cupy.from_dlpack(tensor.detach().view(torch.uint8)).view(bool)
        return self._cupy.from_dlpack(tensor.detach())

    def tensor(self, array: Any) -> torch.Tensor:
        return torch.from_dlpack(self._cupy.ascontiguousarray(array).reshape(array.shape))


def _allocate(size: int, device: int) -> int:
    """Memory from torch, for torch's current stream on the device."""
    stream = torch.cuda.current_stream(device)
    return int(torch.cuda.caching_allocator_alloc(size, device, stream))


_NOTHING = nullcontext()
