"""The sizes that are measured: steps T, batch rows B, input D, hidden H."""

from __future__ import annotations

from dataclasses import dataclass, replace

__all__ = ["SIZES", "Size"]


@dataclass(frozen=True)
class Size:
    """One size of the problem."""

    name: str
    T: int
    B: int
    D: int
    H: int

    def __str__(self) -> str:
        return f"{self.name} ({self.T},{self.B},{self.D},{self.H})"

    def symbols(self) -> dict[str, int]:
        """The sizes by the letters that shapes and cost formulas use."""
        return {"T": self.T, "B": self.B, "D": self.D, "H": self.H}

    def shortened(self, steps: int) -> Size:
        """The same with at most so many steps."""
        return replace(self, T=min(self.T, steps))


SIZES = {
    size.name: size
    for size in (
        Size("a", 100, 1, 32, 32),
        Size("b", 100, 32, 64, 64),
        Size("c", 100, 32, 128, 128),
        Size("d", 100, 64, 256, 256),
        Size("e", 50, 64, 512, 512),
        Size("f", 200, 16, 128, 512),
        Size("g", 1000, 8, 64, 64),
    )
}
