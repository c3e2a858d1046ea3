"""Arguments that do not fit are refused, with an error that names them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from lstmgen.verification.calls import Calls, refused
from lstmgen.verification.cases import Case
from lstmgen.verification.initial import input_size_argument
from lstmgen.verification.labels import Label
from lstmgen.verification.session import Session

Wrong = tuple[str, tuple[str, ...], Callable[[], Any]]
"""What is wrong, the names of which the error must have one, and the call."""

_FITTING = ("params", "x", "state", "tape")  # what does not fit where a parameter has other sizes
_OTHER = {"float64": "float32", "float32": "float64"}


class RefusalCheck:
    """Every argument of every function, wrong in each way; a line for each argument."""

    def __init__(self, session: Session, case: Case) -> None:
        self._s = session
        self._case = case
        self._module = session.module
        self._form = session.form
        self._calls = Calls(session, case)
        self._check = f"refusals {case.dtype}"
        session.ledger.merge(self._check, "arguments that do not fit are errors that name them")

    def run(self) -> None:
        """All of it."""
        with np.errstate(all="ignore"):
            for wrong in (
                self._parameters,
                self._inputs,
                self._states,
                self._seeds,
                self._sequences,
                self._initial_values,
            ):
                with self._s.ledger.guard(self._check, Label("", wrong.__name__), None, ""):
                    for what, names, call in wrong():
                        problem = refused(call, names)
                        self._s.ledger.verdict(
                            self._check,
                            Label("", f"{what} is an error"),
                            not problem,
                            f"{self._case.where}: {problem}",
                        )

    def _parameters(self) -> Iterator[Wrong]:
        calls, good = self._calls, self._calls.parameters
        tape = calls.forward(good, calls.x, calls.initial)[2]
        x = self._s.inputs({name: array[0] for name, array in calls.inputs.items()})

        def all_calls(what: str, names: tuple[str, ...], params: Any) -> Iterator[Wrong]:
            yield (
                f"forward: params {what}",
                names,
                lambda: calls.forward(params, calls.x, calls.initial),
            )
            yield f"backward: params {what}", names, lambda: self._module.backward(params, tape)
            yield (
                f"step: params {what}",
                names,
                lambda: self._module.step(params, x, calls.initial),
            )

        yield from all_calls("that are a list", ("params",), list(good.values()))
        yield from all_calls("None", ("params",), None)
        lists = {name: array.tolist() for name, array in self._case.parameters.items()}
        if any(array.ndim for array in self._case.parameters.values()):
            yield from all_calls("all lists", ("params",), lists)
        yield from all_calls("with one more", ("more",), good | {"more": calls.dy})
        told = {*self._form.input_extents.values(), *map(self._form.sizes.get, self._form.states)}
        told.add("1")
        for name, array in self._case.parameters.items():
            yield from all_calls(f"without {name}", (name,), _without(good, name))
            names = (name, "params", "x")  # one that is alone may tell the dtype
            shape = self._form.shape(name)
            for what, wrong in self._misfits(array, ragged=not shape):
                yield from all_calls(f"with {name} {what}", names, good | {name: wrong})
            if shape:
                none = self._send(array[:0])
                yield from all_calls(f"with {name} of no rows", _FITTING, good | {name: none})
            for axis, symbol in enumerate(shape):
                if told.issuperset(symbol.split("+")):
                    longer = self._send(np.repeat(array, 2, axis))
                    what = f"with {name} of other {'rows' if axis == 0 else 'columns'}"
                    yield from all_calls(what, _FITTING, good | {name: longer})
        if good:
            for dtype in (_OTHER[self._case.dtype], "int64", "float16"):
                params = {n: self._send(a.astype(dtype)) for n, a in self._case.parameters.items()}
                yield from all_calls(f"all {dtype}", ("params", "x", "dtype"), params)

    def _inputs(self) -> Iterator[Wrong]:
        calls, form, case = self._calls, self._form, self._case
        for whole in (True, False):
            function = self._module.step if not whole else calls.forward
            how = "forward" if whole else "step"
            arrays = case.inputs if whole else {n: a[0] for n, a in case.inputs.items()}
            good = self._s.send(arrays)

            def call(x: Any, function: Any = function) -> Callable[[], Any]:
                return lambda: function(calls.parameters, x, calls.initial)

            if len(form.inputs) > 1:
                yield f"{how}: x that is no dict", ("x",), call(list(good.values()))
                yield f"{how}: x with one more", ("x", "more"), call(good | {"more": calls.dy})
            for name, array in arrays.items():
                if len(form.inputs) > 1:
                    yield f"{how}: x without {name}", ("x", name), call(_without(good, name))
                for what, wrong in self._misfits(array):
                    x = self._s.inputs(good | {name: wrong})
                    yield f"{how}: {name} {what}", ("x", name), call(x)
                extent = form.input_extents[name]
                if extent == "1" or form.telling(extent) != (name,):
                    wrong = self._send(np.repeat(array, 2, -1))
                    x = self._s.inputs(good | {name: wrong})
                    # Where no parameter has the input's size, it is the state that does not fit.
                    yield f"{how}: {name} too wide", ("x", name, "state", "params"), call(x)
                if len(form.inputs) > 1:
                    for axis in range(2 if whole else 1):
                        wrong = self._send(np.repeat(array, 2, axis))
                        x = self._s.inputs(good | {name: wrong})
                        yield f"{how}: {name} of other {'TB'[axis - 2 + whole]}", ("x",), call(x)

    def _states(self) -> Iterator[Wrong]:
        calls = self._calls
        tape = calls.forward(calls.parameters, calls.x, calls.initial)[2]
        x = self._s.inputs({name: array[0] for name, array in calls.inputs.items()})
        functions: tuple[tuple[str, str, Any], ...] = (
            ("forward", "state", lambda s: calls.forward(calls.parameters, calls.x, s)),
            ("step", "state", lambda s: self._module.step(calls.parameters, x, s)),
            (
                "backward",
                "dstate",
                lambda s: self._module.backward(calls.parameters, tape, dstate=s),
            ),
        )
        yield "step: state None", ("state",), lambda: functions[1][2](None)
        for how, argument, function in functions:
            good = calls.initial
            wrong: dict[str, Any] = {
                "that is a list": list(good.values()),
                "with one more": good | {"more": calls.dy},
            }
            for name, array in self._case.initial.items():
                wrong[f"without {name}"] = _without(good, name)
                for what, one in self._misfits(array):
                    wrong[f"with {name} {what}"] = good | {name: one}
                alone = self._form.telling(self._form.sizes[name]) == (name,)
                for axis, what in enumerate(("rows", "units")):
                    if what == "units" and alone and argument == "state":
                        continue  # it tells its own size
                    longer = self._send(np.repeat(array, 2, axis))
                    wrong[f"with {name} of other {what}"] = good | {name: longer}
            for what, state in wrong.items():
                # A state alone may tell its size, and then it is something else that does not fit.
                names = (argument, "params", "x", "more")
                yield (
                    f"{how}: {argument} {what}",
                    names,
                    partial(function, state),
                )

    def _seeds(self) -> Iterator[Wrong]:
        calls, dy = self._calls, self._case.dy
        tape = calls.forward(calls.parameters, calls.x, calls.initial)[2]
        wrong = {what: one for what, one in self._misfits(dy) if one is not None}
        for axis, what in enumerate(("T", "B", "units")):
            wrong[f"of other {what}"] = self._send(np.repeat(dy, 2, axis))
        for what, one in wrong.items():
            yield (
                f"backward: dy {what}",
                ("dy",),
                partial(self._module.backward, calls.parameters, tape, one),
            )

    def _sequences(self) -> Iterator[Wrong]:
        if not self._s.runner.target.sequences:
            return
        T, B = self._case.shape.T, self._case.shape.B
        whole = np.full(B, T)
        calls = self._calls
        forward = partial(calls.forward, calls.parameters, calls.x, calls.initial)
        wrong = {
            "lengths": {
                "that are fractions": whole / 1.5,
                "for another B": np.full(B + 1, T),
                "of another shape": whole[:, None],
                "beyond T": np.where(np.arange(B) == 0, T + 1, whole),
                "below 0": np.where(np.arange(B) == B - 1, -1, whole),
            },
            "restart": {
                "of whole numbers": np.zeros((T, B), np.int64),
                "for another T": np.zeros((T + 1, B), bool),
                "for another B": np.zeros((T, B + 1), bool),
                "of another shape": np.zeros(B, bool),
            },
        }
        for argument, ways in wrong.items():
            for what, array in ways.items():
                options = {argument: self._send(array)}
                yield (
                    f"forward: {argument} {what}",
                    (argument,),
                    partial(forward, **options),
                )

    def _initial_values(self) -> Iterator[Wrong]:
        form, shape, module = self._form, self._case.shape, self._module
        extra: dict[str, Any] = {name: shape.size(name) for name in form.extra_sizes}
        sizes: Any = input_size_argument(form, shape)

        def parameters(size: Any = sizes, units: Any = shape.H, **options: Any) -> Any:
            return lambda: module.init_params(size, units, **{**extra, **options})

        def state(rows: Any = shape.B, units: Any = shape.H, **options: Any) -> Any:
            return lambda: module.init_state(rows, units, **{**extra, **options})

        for dtype in ("float16", "int64", "nothing", None, object()):
            yield f"init_params: dtype {dtype!s:.7}", ("dtype",), parameters(dtype=dtype)
            yield f"init_state: dtype {dtype!s:.7}", ("dtype",), state(dtype=dtype)
        for size in (0, -1, True, 2.5, "3", None):
            names = ("input_size", *form.inputs)
            yield f"init_params: input_size {size!r}", names, parameters(size)
            yield f"init_params: hidden_size {size!r}", ("hidden_size",), parameters(units=size)
            yield f"init_state: hidden_size {size!r}", ("hidden_size",), state(units=size)
            for name in extra:
                yield f"init_params: {name} {size!r}", (name,), parameters(**{name: size})
                yield f"init_state: {name} {size!r}", (name,), state(**{name: size})
            if size != 0:
                yield f"init_state: batch_size {size!r}", ("batch_size",), state(size)
        if len(form.inputs) == 1 and form.input_extents[form.inputs[0]] not in form.input_sizes:
            yield "init_params: another input_size", ("input_size",), parameters(sizes + 1)
        if len(form.inputs) > 1:
            known = {x: shape.size(size) for x, size in form.input_extents.items()}
            more = {**known, "more": 1}
            yield "init_params: another input", ("input_size", "more"), parameters(more)
            for x in known:
                if form.sizes[x] not in form.input_sizes or form.sizes[x] in extra:
                    wrong = {**known, x: known[x] + 1}
                    yield f"init_params: another size of {x}", ("input_size", x), parameters(wrong)

    def _misfits(self, array: Any, ragged: bool = False) -> Iterator[tuple[str, Any]]:
        """Of no array, of another number of axes, of other dtypes."""
        if not ragged:
            yield "a list", array.tolist()
        yield "None", None
        yield "a text", "text"
        yield "of one more axis", self._send(array[None])
        if array.ndim > 1:
            yield "of one axis less", self._send(array[0])
        for dtype in (_OTHER[self._case.dtype], "int64"):
            if array.ndim or dtype != "int64":
                yield dtype, self._send(array.astype(dtype))

    def _send(self, array: Any) -> Any:
        return self._s.runner.to_device(np.asarray(array))


def _without(arrays: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: array for key, array in arrays.items() if key != name}
