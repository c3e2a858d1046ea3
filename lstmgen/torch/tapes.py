"""Tapes on their way from forward to backward, and a few that are to be used again.

Where autograd calls a module itself, the node of its graph keeps the tape, as a `Lent`.  Operators
only know tensors: they return a *handle* for a tape, a tensor of one byte whose memory owns it.
What keeps the handle, an autograd graph or a compiled program, keeps the tape, and when the last
view of its memory goes, the tape goes: nothing else has to know of it.  A tape is found by the
address of the handle, which no other memory has as long as the handle is there.  A copy of a
handle, as a hook makes that moves saved tensors elsewhere, has another address and finds nothing;
`backward` then runs the forward pass again, from arguments that are saved anyway.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import torch

__all__ = ["Lent", "Tapes", "no_tape"]

_MOST_SPARES = 16


class Lent:
    """A tape that goes back to where it came from when nobody has it any more.

    Attributes:
        tape: what `forward` returned.
        addresses: of the parameters that `forward` had.
        named: these parameters as arrays.
    """

    __slots__ = ("addresses", "key", "named", "tape", "tapes")

    def __init__(
        self, tapes: Tapes, key: Hashable, tape: Any, addresses: list[int], named: Any
    ) -> None:
        self.tapes, self.key, self.tape = tapes, key, tape
        self.addresses, self.named = addresses, named
        tapes.count(id(self))

    def __del__(self) -> None:
        self.tapes.give_back(id(self), self.key, self.tape)


class _Memory(np.ndarray[Any, Any]):
    """The memory of a handle: torch.from_numpy keeps it as long as a tensor has a part of it.

    When it goes, the tapes are no longer found at its addresses, before these are used again.
    """

    found: dict[int, Lent] | None = None
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
        self._alive: dict[int, None] = {}  # those that are lent
        self._found: dict[int, Lent] = {}  # by the addresses of handles
        self._spares: dict[Hashable, list[Any]] = {}
        self._most = _MOST_SPARES if keep_spares else 0
        self._peak = 0

    @property
    def alive(self) -> int:
        """How many tapes are lent."""
        return len(self._alive)

    @property
    def spares(self) -> int:
        """How many tapes wait to be used again."""
        return sum(len(spares) for spares in list(self._spares.values()))

    def handle(self, lent: Sequence[Lent], shape: tuple[int, ...] = (1,)) -> torch.Tensor:
        """A handle of the shape, with a byte for each tape."""
        memory = np.zeros(shape, np.uint8).view(_Memory)
        handle = torch.from_numpy(memory)
        first = handle.data_ptr()
        memory.found, memory.addresses = self._found, range(first, first + len(lent))
        self._found.update(zip(memory.addresses, lent, strict=True))
        return handle

    def share(self, handles: Sequence[torch.Tensor]) -> torch.Tensor | None:
        """One handle for the tapes of n, (n, 1), whose rows are handles; None if one finds none."""
        try:
            lent = [self._found.get(handle.data_ptr()) for handle in handles]
        except RuntimeError:  # stand-ins for tensors have no address
            return None
        held = [one for one in lent if one is not None]
        return self.handle(held, (len(held), 1)) if 0 < len(held) == len(lent) else None

    def find(self, handle: torch.Tensor) -> Lent | None:
        """The tape of a handle; None if this is not the handle of one."""
        return self._found.get(handle.data_ptr())

    def spare(self, key: Hashable) -> Any:
        """A tape to hand to `reuse`; or None, and then there is room for a new one."""
        try:
            return self._spares[key].pop()
        except (KeyError, IndexError):
            pass
        while self.spares > 0 and self.spares + len(self._alive) >= self._peak:
            self._drop_oldest()
        return None

    def count(self, which: int) -> None:
        """There is one more that is lent."""
        self._alive[which] = None
        if len(self._alive) > self._peak:
            self._peak = len(self._alive)

    def give_back(self, which: int, key: Hashable, tape: Any) -> None:
        """Take a tape that nobody has any more."""
        del self._alive[which]
        if self.spares + len(self._alive) < min(self._peak, self._most):
            self._spares.setdefault(key, []).append(tape)

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
