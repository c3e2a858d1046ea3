"""What the project wants to reach: time of the contender over that of the module in C, at least."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "ACTIVATION_NANOSECONDS",
    "COMPILE_SECONDS",
    "FLOATS_KEPT",
    "STEP_MICROSECONDS",
    "TWO_THREADS",
    "share_of_peak",
    "target",
]

STEP_MICROSECONDS = 5.0
"""A step of the LSTM at B = 1, H = 32 may take so long."""
TWO_THREADS = 1.75
"""So many times as fast as one thread."""
FLOATS_KEPT = 6.0
"""Of the LSTM, a step, unit and row."""
ACTIVATION_NANOSECONDS = 1.0
"""Of a number, in both dtypes."""
COMPILE_SECONDS = 2.0
"""Of a processor, for a module in one dtype."""


def _sizes(*ratios: float) -> dict[str, float]:
    return dict(zip("abcdefg", ratios, strict=True))


_RATIOS: dict[tuple[str, str, str], Mapping[str, float]] = {
    ("lstm", "torch", "float32"): _sizes(4, 1.35, 1.12, 1.15, 1.07, 1.12, 1.35),
    ("lstm", "torch", "float64"): _sizes(35, 2.6, 1.9, 1.4, 1.25, 2.2, 4.5),
    ("peephole", "ours-numpy", "float32"): _sizes(5, 1.3, 1.15, 1.12, 1.08, 1.12, 1.7),
    ("gru_reset_after", "torch", "float32"): _sizes(9.7, 2.41, 1.62, 1.16, 1.17, 1.6, 4.61),
    ("rnn", "torch", "float32"): _sizes(11.14, 2.26, 1.57, 1.22, 1.08, 1.53, 4.48),
}


def target(
    cell: str, contender: str, dtype: str, size: str, *, training: bool = True
) -> float | None:
    """The ratio to reach, None where none is set."""
    if not training:
        return 1.0 if contender == "torch" and dtype == "float32" else None
    return _RATIOS.get((cell, contender, dtype), {}).get(size)


def share_of_peak(cell: str, dtype: str, size: str) -> float | None:
    """Of what the multiply-add units can do, in training; None where none is set."""
    if dtype != "float32" or size not in "bcdefg":
        return None
    return {"lstm": 0.8, "peephole": 0.8, "gru": 0.75, "gru_reset_after": 0.75}.get(cell)
