"""Tensors as the arrays of a module, and back, without copies."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from math import inf, prod
from typing import Any, Protocol

import torch

__all__ = ["Arrays", "CupyArrays", "NumpyArrays"]


class Arrays(Protocol):
    """How tensors of one kind of device become a module's arrays.

    Attributes:
        large: of how many numbers an output is where the memory of its tape is worth keeping.
    """

    large: float

    def array(self, tensor: torch.Tensor) -> Any:
        """The array that shares a tensor's memory."""
        ...

    def tensors(self, arrays: Iterable[Any]) -> list[torch.Tensor]:
        """The contiguous tensors of arrays, whose memory they share if that is contiguous."""
        ...


class NumpyArrays:
    """NumPy's arrays, for tensors on the CPU, of whatever strides."""

    large: float = 2**18  # where the system's allocator begins to give memory back

    def array(self, tensor: torch.Tensor) -> Any:
        # It copies only what no array can be: a tensor whose sign is yet to be changed.
        return tensor.numpy(force=True)

    def tensors(self, arrays: Iterable[Any]) -> list[torch.Tensor]:
        return [*map(_contiguous, map(torch.from_numpy, arrays))]


class CupyArrays:
    """CuPy's arrays, by DLPack, for tensors on a CUDA device.

    The module's kernels run on torch's current stream, behind what was put there before.  DLPack
    orders nothing here: both sides are on that stream.  The module's memory is torch's: what it
    returns are tensors like all others, for `Tensor.record_stream` too.
    """

    large: float = inf  # torch's allocator keeps it

    def __init__(self) -> None:
        import cupy

        self._cupy = cupy
        self._memory: dict[int, torch.Tensor] = {}  # by its address, as long as CuPy has it
        self._allocator = cupy.cuda.PythonFunctionAllocator(self._allocate, self._free)

    def session(self, tensor: torch.Tensor) -> AbstractContextManager[Any]:
        """What a module's functions are called in, for tensors on the device of this one."""
        cuda = self._cupy.cuda
        stream = torch.cuda.current_stream(tensor.device)
        stack = ExitStack()
        stack.enter_context(cuda.Device(stream.device.index))
        stack.enter_context(cuda.Stream.from_external(_Stream(stream)))
        stack.enter_context(cuda.using_allocator(self._allocator.malloc))
        return stack

    def tensors(self, arrays: Iterable[Any]) -> list[torch.Tensor]:
        return [self._tensor(array) for array in arrays]

    def array(self, tensor: torch.Tensor) -> Any:
        if tensor.device.type == "cpu":  # lengths, which the module looks at there
            return tensor.numpy(force=True)
        return self._shared(tensor)

    def _shared(self, tensor: torch.Tensor) -> Any:
        tensor = tensor.detach().resolve_neg()
        if tensor.dtype == torch.bool:  # which not every DLPack knows
            return self._cupy.from_dlpack(tensor.view(torch.uint8)).view(bool)
        return self._cupy.from_dlpack(tensor)

    def _tensor(self, array: Any) -> torch.Tensor:
        # A tensor on the memory itself and no view of another: autograd lets nobody change a view
        # that an operator returns.
        shape = array.shape
        array = self._cupy.ascontiguousarray(array).reshape(shape)
        memory = self._memory.get(array.data.mem.ptr) if array.size else None
        if memory is None:  # empty
            return torch.from_dlpack(array)
        start = (array.data.ptr - array.data.mem.ptr) // array.itemsize
        strides = [prod(shape[k + 1 :]) for k in range(len(shape))]
        made = torch.empty(0, dtype=_DTYPES[array.dtype.char], device=memory.device)
        return made.set_(memory.untyped_storage(), start, shape, strides)

    def _allocate(self, size: int, device: int) -> int:
        """Memory for CuPy, on torch's current stream."""
        memory = torch.empty(size, dtype=torch.uint8, device=torch.device("cuda", device))
        address = memory.data_ptr()
        self._memory[address] = memory
        return address

    def _free(self, address: int, device: int) -> None:
        """CuPy has no array there any more; tensors may."""
        self._memory.pop(address, None)


class _Stream:
    """A stream of torch's by CUDA's protocol, which streams of older versions do not have."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self._stream.cuda_stream


_DTYPES = {"f": torch.float32, "d": torch.float64}
_contiguous = torch.Tensor.contiguous
