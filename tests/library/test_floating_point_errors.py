"""Modules of all built-in cells raise and warn for no input where the caller makes errors of NumPy.

Tiny and huge inputs underflow somewhere, and NaN is an input like any other.
"""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pytest

import lstmgen
from lstmgen.library.loading import load, names

STATES = {"finite": (1e-30, 1.0, 1e4), "nan": (1.0, 1e4)}


@pytest.mark.parametrize("name", names())
def test_no_floating_point_error_reaches_the_caller(name: str) -> None:
    cell = load(name)
    module = lstmgen.compile(cell, "numpy")
    sizes = {
        key: 4
        for key, parameter in inspect.signature(module.init_params).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.default is parameter.empty
    }
    params = module.init_params(5, 5, seed=0, dtype="float32", **sizes)
    generator = np.random.default_rng(0)

    def inputs(scale: float, nan: bool) -> Any:
        found = {}
        for x in cell.normal_form.inputs:
            array = np.asarray(scale * generator.standard_normal((6, 3, 5)), "float32")
            if nan:
                array[2, 1, 3] = np.nan
            found[x] = array
        return found if len(found) > 1 else found.popitem()[1]

    state = module.init_state(3, 5, dtype="float32", **_fitting(module.init_state, sizes))
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        for kind, scales in STATES.items():
            for scale in scales:
                x = inputs(scale, kind == "nan")
                y, _, tape = module.forward(params, x)
                dparams, _, _ = module.backward(params, tape, np.ones_like(y))
                step = {k: v[0] for k, v in x.items()} if isinstance(x, dict) else x[0]
                module.step(params, step, state)
                if kind == "finite":
                    assert np.isfinite(y).all()
                    assert all(np.isfinite(gradient).all() for gradient in dparams.values())
                else:
                    assert np.isfinite(y[:2]).all()


def _fitting(function: Any, sizes: dict[str, int]) -> dict[str, int]:
    taken = inspect.signature(function).parameters
    return {key: size for key, size in sizes.items() if key in taken}
