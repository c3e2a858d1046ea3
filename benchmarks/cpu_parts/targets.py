"""What the project wants to reach: time of the contender over ours, at least."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["STEP_MICROSECONDS", "target"]

STEP_MICROSECONDS = 25.0
"""A step at B = 1, H = 32 may take so long."""

_ALL = "abcdefg"
_RATIOS: dict[tuple[str, str, str], Mapping[str, float]] = {
    ("lstm", "numpy", "float32"): dict.fromkeys(_ALL, 0.95),
    ("peephole", "numpy", "float32"): dict.fromkeys(_ALL, 0.95),
    ("lstm", "torch", "float32"): {
        "a": 0.95, "b": 0.85, "c": 0.9, "d": 1.0, "e": 0.95, "f": 0.9, "g": 0.6,
    },
    ("lstm", "torch", "float64"): dict.fromkeys("bcd", 1.3),
    ("gru_reset_after", "torch", "float32"): {
        "a": 9, "b": 2, "c": 1.4, "d": 1.1, "e": 1.05, "f": 1.3, "g": 3.5,
    },
    ("rnn", "torch", "float32"): {
        "a": 11, "b": 2.2, "c": 1.5, "d": 1.1, "e": 1.05, "f": 1.25, "g": 4,
    },
    ("peephole", "torch-loop", "float32"): {"a": 10, "b": 2.7, "c": 1.8, "d": 1.5, "g": 6},
    ("lstm", "jax", "float32"): {
        "a": 0.65, "b": 0.95, "c": 1.5, "d": 1.5, "e": 1.3, "f": 1.5, "g": 1.3,
    },
}  # fmt: skip


def target(cell: str, contender: str, dtype: str, size: str) -> float | None:
    """The ratio to reach in training (forward and backward), None where none is set."""
    return _RATIOS.get((cell, contender, dtype), {}).get(size)
