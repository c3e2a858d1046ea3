"""Sequences of different length: time reversed, and batches that are packed."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from lstmgen.torch.aliases import Maybe

__all__ = ["Packing", "Reversal", "unpack"]


class Reversal:
    """Time from the end: step s of row b is its step lengths[b] - 1 - s.

    What lies behind a row's length stays where it is.

    Args:
        T: the number of steps.
        lengths: (B,); None where every row has T steps.
        device: of what is reversed.
    """

    def __init__(self, T: int, lengths: Maybe, device: torch.device) -> None:
        lengths = None if lengths is None else lengths.to(device)
        self._last, self._lengths = max(T - 1, 0), lengths
        if lengths is not None:
            self._step = torch.arange(T, device=device).unsqueeze(1)
            back = lengths - 1 - self._step
            # Lengths above T are an error, which the module raises.
            self._source = torch.where(back >= 0, back.clamp(max=self._last), self._step)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """(T, B, size) with its time reversed; twice, it is what it was."""
        if self._lengths is None:
            return x.flip(0)
        return x.gather(0, self._source.unsqueeze(2).expand(*x.shape))

    def restart(self, restart: Maybe) -> Maybe:
        """Where states restart when time runs backwards, (T, B).

        A restart at t is a border between t-1 and t.  Backwards t comes first, and it is t-1 that
        begins anew.  The one before the first step is a border that backward time never reaches.
        """
        if restart is None:
            return None
        if self._lengths is None:
            return torch.cat([torch.zeros_like(restart[:1]), restart[1:].flip(0)])
        after = self._lengths - self._step
        inside = (self._step > 0) & (after > 0)
        return restart.gather(0, after.clamp(0, self._last)) & inside


@dataclass(frozen=True)
class Packing:
    """How a batch was packed.

    Attributes:
        lengths: (B,), of the rows in the order of the data.
        order: the row of the batch that each row of the data is, or None if they are the same.
        inverse: the row of the data that each row of the batch is.
    """

    lengths: torch.Tensor
    order: Maybe
    inverse: Maybe

    def sort(self, x: Maybe) -> Maybe:
        """(.., B, ..) by batch on axis 1, in the order of the data."""
        return x if x is None or self.order is None else x.index_select(1, self.order)

    def unsort(self, x: torch.Tensor) -> torch.Tensor:
        """(.., B, ..) in the order of the data, by batch."""
        return x if self.inverse is None else x.index_select(1, self.inverse)

    def pack(self, y: torch.Tensor) -> PackedSequence:
        """(T, B, size) in the order of the data, packed as this batch was."""
        packed = pack_padded_sequence(y, self.lengths)
        return PackedSequence(packed.data, packed.batch_sizes, self.order, self.inverse)


def unpack(x: PackedSequence) -> tuple[torch.Tensor, Packing]:
    """The sequences as (T, B, size), in the order of the data, and how they were packed.

    Raises:
        ValueError: they have not one vector a step.
    """
    if x.data.dim() != 2:
        raise ValueError(
            f"x: expected a PackedSequence of vectors, got data of shape {tuple(x.data.shape)}"
        )
    padded, lengths = pad_packed_sequence(PackedSequence(x.data, x.batch_sizes))
    return padded, Packing(lengths, x.sorted_indices, x.unsorted_indices)
