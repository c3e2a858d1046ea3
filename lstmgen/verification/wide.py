"""Cases of large sizes, made of small ones: references for them that cost nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lstmgen.form.normal_form import NormalForm
from lstmgen.targets.target import Sizes
from lstmgen.verification.cases import Array, Arrays, Case, Gradient


def wide_cases(case: Case, form: NormalForm, sizes: Sizes) -> list[Case]:
    """Sizes from which modules of a target work in other ways."""
    cases = [case.repeated(times) for times in sizes.batches]
    if sizes.enlarged is not None:
        rows, units = sizes.enlarged
        cases.append(enlarged(case.repeated(rows), form, units))
    return cases


def enlarged(case: Case, form: NormalForm, times: int) -> Case:
    """The case with each unit of every vector so many times, in a random order of units.

    A matrix has the number for two units between all their copies, divided by `times`: products
    stay what they are.  Gradients reach all copies alike.  Exact if `times` is a power of two.
    """
    order: dict[str, npt.NDArray[np.intp]] = {}
    for seed, symbol in enumerate(sorted({*form.sizes.values()})):
        copies = np.repeat(np.arange(case.shape.size(symbol)), times)
        order[symbol] = np.random.default_rng(seed).permutation(copies)

    def vector(array: Array, symbol: str) -> Array:
        return np.take(array, order[symbol], axis=-1)

    def vectors(arrays: Arrays, of_scalar: float = 1) -> Arrays:
        return {
            name: np.multiply(array, of_scalar, dtype=array.dtype)
            if name in form.scalar_inputs
            else vector(array, form.sizes[name])
            for name, array in arrays.items()
        }

    def matrix(array: Array, rows: str, columns: tuple[str, ...]) -> Array:
        starts = np.cumsum([0, *(case.shape.size(symbol) for symbol in columns)])
        chosen = [start + order[c] for start, c in zip(starts, columns, strict=False)]
        return np.take(array[order[rows]], np.concatenate(chosen), axis=1)

    def parameter(name: str, array: Array, of_matrix: float, of_scalar: float) -> Array:
        if name in form.vectors:
            return vector(array, form.vectors[name])
        if name in form.weights:
            weight = form.weights[name]
            array, factor = matrix(array, weight.rows, weight.columns), of_matrix
        else:
            factor = of_scalar
        return np.multiply(array, factor, dtype=array.dtype)

    others = tuple((symbol, size * times) for symbol, size in case.shape.others)
    return replace(
        case,
        shape=replace(case.shape, H=case.shape.H * times, others=others),
        parameters={n: parameter(n, a, 1 / times, 1) for n, a in case.parameters.items()},
        inputs=vectors(case.inputs),
        initial=vectors(case.initial),
        dy=vector(case.dy, form.sizes[form.output]),
        dstate=vectors(case.dstate),
        y=vector(case.y, form.sizes[form.output]),
        states=vectors(case.states),
        last=vectors(case.last),
        gradients={
            seed: Gradient(
                {n: parameter(n, a, 1, times) for n, a in gradient.parameters.items()},
                vectors(gradient.inputs, times),
                vectors(gradient.initial),
            )
            for seed, gradient in case.gradients.items()
        },
    )
