"""A function (params, x, state) -> (y, state) on NumPy arrays, or on torch tensors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

from lstmgen.form.normal_form import NormalForm
from lstmgen.verification.against.subjects import Outcome, Subject, failure, outcome, parts
from lstmgen.verification.cases import Array, Case, Gradient

__all__ = ["autograd", "function_subjects", "leaves", "one_or_all"]


class FunctionOnArrays:
    """A function that takes NumPy arrays; what it returns may be anything that NumPy can read."""

    what = "a function on NumPy arrays"

    def __init__(self, function: Callable[..., Any], form: NormalForm, name: str) -> None:
        self._function, self._form, self._name = function, form, name

    def run(self, case: Case) -> Outcome:
        """Call it with copies of the case's arrays."""
        given = [
            {name: np.array(array) for name, array in arrays.items()}
            for arrays in (case.parameters, case.inputs, case.initial)
        ]
        try:
            returned = self._function(given[0], one_or_all(given[1]), given[2])
            return outcome(returned, self._form, case, np.asarray)
        except Exception as error:
            raise failure(self._name, error, "called with NumPy arrays") from error

    def autograd(self, case: Case, seed: str) -> Gradient | None:
        """It has none."""
        return None


class FunctionOnTensors:
    """A function that takes torch tensors."""

    what = "a function on torch tensors"

    def __init__(
        self, function: Callable[..., Any], form: NormalForm, name: str, torch: ModuleType
    ) -> None:
        self._function, self._form, self._name, self._torch = function, form, name, torch

    def run(self, case: Case) -> Outcome:
        """Call it with new tensors."""
        try:
            return outcome(self._call(leaves(self._torch, case)), self._form, case, detached)
        except Exception as error:
            raise failure(self._name, error, "called with torch tensors") from error

    def autograd(self, case: Case, seed: str) -> Gradient | None:
        """With zeros for what nothing depends on; None if nothing depends on anything."""
        groups = leaves(self._torch, case)
        try:
            returned = self._call(groups)
            return autograd(self._torch, returned, groups, self._form, case, seed)
        except Exception as error:
            raise failure(self._name, error, "differentiated by autograd") from error

    def _call(self, groups: list[dict[str, Any]]) -> Any:
        # Not the leaves themselves: to write to an argument is no error of autograd's.
        given = [{name: 1 * tensor for name, tensor in group.items()} for group in groups]
        return self._function(given[0], one_or_all(given[1]), given[2])


def function_subjects(function: Any, form: NormalForm, name: str) -> list[Subject]:
    """The ways in which a function may be called, the likely one first."""
    arrays = FunctionOnArrays(function, form, name)
    torch = sys.modules.get("torch")  # its module has imported it, if it needs it
    if torch is None:
        return [arrays]
    tensors = FunctionOnTensors(function, form, name, torch)
    return [tensors, arrays] if _uses_torch(function) else [arrays, tensors]


def one_or_all(inputs: dict[str, Any]) -> Any:
    """x as modules take it: the array of the one input, or a dict of several."""
    return next(iter(inputs.values())) if len(inputs) == 1 else inputs


def leaves(torch: ModuleType, case: Case) -> list[dict[str, Any]]:
    """Parameters, inputs and initial states as tensors that gradients are wanted of."""
    return [
        {name: torch.tensor(array, requires_grad=True) for name, array in arrays.items()}
        for arrays in (case.parameters, case.inputs, case.initial)
    ]


def detached(value: Any) -> Array:
    """A tensor as a NumPy array."""
    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)


def autograd(
    torch: ModuleType,
    returned: Any,
    groups: list[dict[str, Any]],
    form: NormalForm,
    case: Case,
    seed: str,
) -> Gradient | None:
    """The gradients of sum(dy*y) + sum(dstate*last state) by groups of leaves, or None."""
    y, states = parts(returned, form)
    if not any(getattr(value, "requires_grad", False) for value in (y, *states.values())):
        return None
    loss: Any = 0.0
    if "dy" in seed.split(" and "):
        loss = loss + (y * torch.tensor(case.dy)).sum()
    if "dstate" in seed.split(" and "):
        for name, value in states.items():
            seeded = torch.tensor(case.dstate[name])
            loss = loss + (value.reshape(seeded.shape) * seeded).sum()
    wanted = [tensor for group in groups for tensor in group.values()]
    slopes: list[Any] = [None] * len(wanted)
    if loss.requires_grad:
        slopes = list(torch.autograd.grad(loss, wanted, allow_unused=True))
    arrays = iter(
        np.zeros(tuple(tensor.shape)) if slope is None else detached(slope)
        for tensor, slope in zip(wanted, slopes, strict=True)
    )
    return Gradient(*({name: next(arrays) for name in group} for group in groups))


def _uses_torch(function: Any) -> bool:
    """Whether the file that a function stands in uses torch."""
    function = getattr(function, "func", getattr(function, "__wrapped__", function))
    names = getattr(function, "__globals__", None)
    if names is None:
        names = getattr(type(function).__call__, "__globals__", {})
    return any(_home(value) == "torch" for value in list(names.values()))


def _home(value: Any) -> str:
    attribute = "__name__" if isinstance(value, ModuleType) else "__module__"
    return str(getattr(value, attribute, "")).partition(".")[0]
