"""Cases of large sizes, made of small ones: references for them that cost little or nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lstmgen.form.normal_form import NormalForm
from lstmgen.verification.cases import Array, Arrays, Case, Gradient


def many_rows(case: Case, times: int) -> Case:
    """The case with each row of the batch so many times, in a random order of rows.

    The copies have losses of different sizes, which are `times` together, so that no two rows have
    the same gradients, and the sums over the batch are `times` as large.
    """
    random = np.random.default_rng((times, case.shape.T))
    half = random.integers(-6, 7, (case.shape.B, times // 2)) / 8
    sizes = 1 + np.concatenate([half, -half, np.zeros((case.shape.B, times % 2))], axis=1)
    order = random.permutation(case.shape.B * times)
    rows, weights = order // times, sizes.reshape(-1)[order]

    def copied(array: Array, axis: int, weighted: bool = False) -> Array:
        found = np.take(array, rows, axis)
        if weighted:
            found = found * weights.reshape([-1 if k == axis else 1 for k in range(found.ndim)])
        return found.astype(array.dtype, copy=False)

    def all_copied(arrays: Arrays, axis: int, weighted: bool = False) -> Arrays:
        return {name: copied(array, axis, weighted) for name, array in arrays.items()}

    return replace(
        case,
        shape=replace(case.shape, B=case.shape.B * times),
        inputs=all_copied(case.inputs, 1),
        initial=all_copied(case.initial, 0),
        dy=copied(case.dy, 1, weighted=True),
        dstate=all_copied(case.dstate, 0, weighted=True),
        y=copied(case.y, 1),
        states=all_copied(case.states, 1),
        last=all_copied(case.last, 0),
        gradients={
            seed: Gradient(
                {name: array * times for name, array in gradient.parameters.items()},
                all_copied(gradient.inputs, 1, weighted=True),
                all_copied(gradient.initial, 0, weighted=True),
            )
            for seed, gradient in case.gradients.items()
        },
        lengths=None if case.lengths is None else copied(case.lengths, 0),
        restart=None if case.restart is None else copied(case.restart, 1),
        sums=case.sums * times**0.5,
    )


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
        rounding=case.rounding.of_copies,
        sums=case.sums * times**0.5,
    )
