"""The property that every target must have: whatever the cell, its module is right."""

from __future__ import annotations

import random
import zlib

from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st

from lstmgen.errors import EquationError

from .checking import check
from .declaration import Declaration
from .making import random_cell


def hold_cells_against_the_reference(
    target: str, *, cells: int, examples: int, part: int = 0, float32: int = 1
) -> None:
    """Check so many different cells; a failing one is shrunk by Hypothesis.

    The cells are the same in every run, and others in another `part`.  Hypothesis draws some twice,
    so there are more `examples`.  One cell of `float32` is checked in both dtypes, the others in
    float64 alone.
    """
    seen: dict[Declaration, Exception | None] = {}

    @seed(part)
    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=False))
    def one(rng: random.Random) -> None:
        declaration = random_cell(rng)
        if declaration not in seen:
            if len(seen) >= cells and not any(seen.values()):
                return  # enough; where one failed, others show what is left of it
            seen[declaration] = _failure(declaration, target, float32)
        if (failure := seen[declaration]) is not None:
            note(declaration.text("What failed."))
            raise failure

    one()
    assert len(seen) >= cells


def seed_of(declaration: Declaration) -> int:
    """The seed of a cell's numbers."""
    return zlib.crc32(str(declaration).encode())


def _failure(declaration: Declaration, target: str, every: int) -> Exception | None:
    try:
        number = seed_of(declaration)
        dtypes = ("float64",) if number % every else ("float64", "float32")
        check(declaration.cell(), target, number, dtypes=dtypes)
    except EquationError:
        return None
    except Exception as error:
        return error
    return None
