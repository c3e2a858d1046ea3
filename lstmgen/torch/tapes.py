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

__all__ = ["Lent", "Tapes", "no_tape", "taken"]

_MOST_SPARES = 16  # of a size
_MOST_SIZES = 64


class Lent:
    """A tape that goes to the spares of its size when nobody has it any more.

    Attributes:
        tape: what `forward` returned.
        addresses: of the parameters that `forward` had.
        named: these parameters as arrays.
    """

    __slots__ = ("_spares", "addresses", "named", "tape")

    def __init__(
        self, tape: Any, addresses: list[int], named: Any, spares: list[Any] | None
    ) -> None:
        self.tape, self._spares = tape, spares
        self.addresses, self.named = addresses, named

    def __del__(self) -> None:
        if self._spares is not None and len(self._spares) < _MOST_SPARES:
            self._spares.append(self.tape)


def taken(spares: list[Any]) -> Any:
    """A spare tape to hand to `reuse`, or None."""
    try:
        return spares.pop()
    except IndexError:  # another thread may have been quicker
        return None


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
    """The tapes of one module that operators can find, and a few that are to be used again.

    A large tape that nobody has any more is a spare, for `reuse` by a forward pass of the same
    sizes: new memory from the system costs a tenth of such a step.  Where there is none, those of
    all other sizes go: with the tapes that are lent there are never more than were lent at once.

    All of it may be called from any thread, and by a finaliser at any time: nothing is locked, and
    each change is one operation of a list or dict.
    """

    def __init__(self) -> None:
        self._found: dict[int, Lent] = {}  # by the addresses of handles
        self._spares: dict[Hashable, list[Any]] = {}

    def spares(self, key: Hashable) -> list[Any]:
        """The spares of one size; where there are none, there is room for a new tape now."""
        found = self._spares.get(key)
        if not found:
            for others in [*self._spares.values()]:
                others.clear()
            if found is None:
                if len(self._spares) >= _MOST_SIZES:
                    self._spares = {}
                found = self._spares.setdefault(key, [])
        return found

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


def no_tape() -> torch.Tensor:
    """What stands for a handle where no tape was kept."""
    return torch.zeros(1, dtype=torch.uint8, device="cpu")
