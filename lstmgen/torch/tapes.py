"""Tapes on their way from forward to backward, through operators that only know tensors.

An operator returns a *handle* for a tape: a tensor of one byte whose memory owns the tape.  What
keeps the handle, an autograd graph or a compiled program, keeps the tape, and when the last view of
its memory goes, the tape goes: nothing else has to know of it.  A tape is found by the address of
the handle, which no other memory has as long as the handle is there.  A copy of a handle, as a hook
makes that moves saved tensors elsewhere, has another address and finds nothing; `backward` then
runs the forward pass again, from arguments that are saved anyway.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import torch

__all__ = ["Tapes", "no_tape"]

_MOST_SPARES = 16


class _Lent:
    """A tape that goes back to where it came from when nobody has it any more."""

    __slots__ = ("key", "params", "tape", "tapes")

    def __init__(self, tapes: Tapes, key: Hashable, tape: Any, params: Any) -> None:
        self.tapes, self.key, self.tape, self.params = tapes, key, tape, params

    def __del__(self) -> None:
        self.tapes.give_back(self.key, self.tape)


class _Memory(np.ndarray[Any, Any]):
    """The memory of a handle: torch.from_numpy keeps it as long as a tensor has a part of it.

    When it goes, the tapes are no longer found at its addresses, before these are used again.
    """

    found: dict[int, _Lent] | None = None
    addresses: Sequence[int] = ()

    def __del__(self) -> None:
        if self.found is not None:
            for address in self.addresses:
                self.found.pop(address, None)


class Tapes:
    """The tapes of one module that are alive, and a few that are to be used again.

    A tape that nobody has any more is a spare, for `reuse` by a forward pass of the same sizes: new
    memory from the system costs more than a small step does.  Spares and living tapes together are
    never more than were alive at once before.

    All of it may be called from any thread, and by a finaliser at any time: nothing is locked, and
    each change is one operation of a list or dict.
    """

    def __init__(self, *, keep_spares: bool) -> None:
        self._found: dict[int, _Lent] = {}  # by the addresses of handles
        self._spares: dict[Hashable, list[Any]] = {}
        self._most = _MOST_SPARES if keep_spares else 0
        self._peak = 0

    @property
    def alive(self) -> int:
        """How many bytes of handles there are that find a tape."""
        return len(self._found)

    @property
    def spares(self) -> int:
        """How many tapes wait to be used again."""
        return sum(len(spares) for spares in list(self._spares.values()))

    def hold(self, key: Hashable, tape: Any, params: Any = None) -> torch.Tensor:
        """A handle for a tape, (1,), and for what `forward` had as parameters."""
        handle = self._handle((1,), [_Lent(self, key, tape, params)])
        self._peak = max(self._peak, len(self._found))
        return handle

    def share(self, handles: Sequence[torch.Tensor]) -> torch.Tensor | None:
        """One handle for the tapes of n, (n, 1), whose rows are handles; None if one finds none."""
        try:
            lent = [self._found.get(handle.data_ptr()) for handle in handles]
        except RuntimeError:  # stand-ins for tensors have no address
            return None
        held = [one for one in lent if one is not None]
        return self._handle((len(held), 1), held) if 0 < len(held) == len(lent) else None

    def find(self, handle: torch.Tensor) -> tuple[Any, Any]:
        """The tape of a handle and what came with it; None if this is not the handle of one."""
        lent = self._found.get(handle.data_ptr())
        return (None, None) if lent is None else (lent.tape, lent.params)

    def spare(self, key: Hashable) -> Any:
        """A tape to hand to `reuse`; or None, and then there is room for a new one."""
        try:
            return self._spares[key].pop()
        except (KeyError, IndexError):
            pass
        while self.spares > 0 and self.spares + len(self._found) >= self._peak:
            self._drop_oldest()
        return None

    def give_back(self, key: Hashable, tape: Any) -> None:
        """Take a tape that nobody has any more."""
        if self.spares + len(self._found) < min(self._peak, self._most):
            self._spares.setdefault(key, []).append(tape)

    def _handle(self, shape: tuple[int, ...], lent: Sequence[_Lent]) -> torch.Tensor:
        memory = np.zeros(shape, np.uint8).view(_Memory)
        handle = torch.from_numpy(memory)
        first = handle.data_ptr()
        memory.found, memory.addresses = self._found, range(first, first + len(lent))
        for address, one in zip(memory.addresses, lent, strict=True):
            self._found[address] = one
        return handle

    def _drop_oldest(self) -> None:
        try:
            key = next(iter(self._spares))
            if self._spares[key]:
                self._spares[key].pop(0)
            if not self._spares[key]:
                del self._spares[key]
        except (StopIteration, KeyError, IndexError, RuntimeError):
            pass  # another thread was quicker


def no_tape() -> torch.Tensor:
    """What stands for a handle where no tape was kept."""
    return torch.zeros(1, dtype=torch.uint8)
