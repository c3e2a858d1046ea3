"""Parameters and inputs of a small cell, for the tests of conversions."""

from __future__ import annotations

import numpy as np

from lstmgen import Cell, load

D, H, P, T, B = 3, 5, 2, 4, 2


def drawn(name: str, dtype: str = "float64", seed: int = 3) -> dict[str, np.ndarray]:
    """Parameters of a cell, all different from zero."""
    sizes = {"H": H, "D": D, "P": P}
    generator = np.random.default_rng(seed)
    return {
        p: generator.uniform(
            -1, 1, tuple(sum(sizes[s] for s in symbols.split("+")) for symbols in shape)
        ).astype(dtype)
        for p, shape in load(name).parameters.items()
    }


def data(cell: Cell) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    generator = np.random.default_rng(5)
    sizes = {"H": H, "P": P}
    form = cell.normal_form
    return generator.standard_normal((T, B, D)), {
        s: generator.standard_normal((B, sizes[form.sizes[s]])) for s in cell.states
    }
