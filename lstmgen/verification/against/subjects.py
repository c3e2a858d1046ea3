"""Somebody's own implementation of a cell: found by its name, and called with a case's numbers."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from lstmgen.errors import UsageError, VerificationError
from lstmgen.form.normal_form import NormalForm
from lstmgen.verification.cases import Array, Arrays, Case, Gradient

__all__ = ["Outcome", "Subject", "failure", "find", "outcome", "parts", "shown"]


@dataclass(frozen=True)
class Outcome:
    """What an implementation returned for a case: y (T, B, H), and the last states (B, H)."""

    y: Array
    last: Arrays

    @property
    def arrays(self) -> Arrays:
        """All of it by name, as float64; the output is "y"."""
        named = {"y": self.y, **self.last}
        return {name: np.asarray(array, "float64") for name, array in named.items()}


class Subject(Protocol):
    """An implementation that can be called.

    Attributes:
        what: what it is, for the report: "a function on NumPy arrays".
    """

    what: str

    def run(self, case: Case) -> Outcome:
        """Call it; raises `VerificationError` with what went wrong."""
        ...

    def autograd(self, case: Case, seed: str) -> Gradient | None:
        """The gradients of the loss of `SEEDS` that is named; None if it has none of its own."""
        ...


def find(name: str) -> Any:
    """The object that PACKAGE.MODULE:NAME names; the module is imported, which runs it.

    The folder in which the command runs comes first, as for `python -m`.  The module may be given
    as a file, too: path/to/module.py:NAME.

    Raises:
        UsageError: there is none, or the import fails; the message says why.
    """
    module_name, colon, attribute = name.rpartition(":")
    if not colon or not module_name or not attribute:
        raise UsageError(
            f"--against {name}: expected PACKAGE.MODULE:NAME, as in mypackage.cells:my_lstm "
            "or torch.nn:LSTM"
        )
    module = _import(module_name, name)
    found: Any = module
    for part in attribute.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            offered = ", ".join(n for n in vars(module) if not n.startswith("_")) or "nothing"
            raise UsageError(
                f"--against {name}: {module_name} has no {attribute}; it has {offered[:300]}"
            ) from None
    return found


def _import(module: str, name: str) -> ModuleType:
    with _first_on_path(os.getcwd()):
        try:
            with contextlib.redirect_stdout(sys.stderr):  # our stdout carries data only
                return _run(Path(module)) if module.endswith(".py") else import_module(module)
        except FileNotFoundError as error:
            raise UsageError(f"--against {name}: there is no file {error.filename}") from None
        except ModuleNotFoundError as error:
            raise UsageError(
                f"--against {name}: there is no module {error.name}; it is looked for in the "
                "current folder and where Python finds installed packages"
            ) from None
        except (Exception, SystemExit) as error:
            raise UsageError(
                f"--against {name}: importing {module} failed: {type(error).__name__}: {error}"
            ) from None


def _run(file: Path) -> ModuleType:
    """The module of a file; no bytecode is written."""
    source = file.read_bytes()
    module = ModuleType(f"lstmgen_against_{file.stem}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module  # a dataclass looks its module up
    with _first_on_path(str(file.resolve().parent)):
        exec(compile(source, str(file), "exec", dont_inherit=True), module.__dict__)
    return module


@contextlib.contextmanager
def _first_on_path(folder: str) -> Iterator[None]:
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(folder)


def parts(returned: Any, form: NormalForm) -> tuple[Any, dict[str, Any]]:
    """y and the last states by name, as they were returned; raises TypeError for anything else.

    The state may be a dict, or a tuple in the order of the cell's states, or the one array of a
    cell with one state.
    """
    if not isinstance(returned, (tuple, list)) or len(returned) < 2:
        raise TypeError(f"it must return (y, state), and returned {shown(returned)}")
    y, state = returned[0], returned[1]
    if isinstance(state, Mapping):
        if missing := [s for s in form.states if s not in state]:
            raise TypeError(f"the state that it returned lacks {', '.join(missing)}")
        return y, {s: state[s] for s in form.states}
    if isinstance(state, (tuple, list)):
        if len(state) != len(form.states):
            raise TypeError(
                f"it returned {len(state)} states, and the cell has {', '.join(form.states)}"
            )
        return y, dict(zip(form.states, state, strict=True))
    if len(form.states) == 1:
        return y, {form.states[0]: state}
    raise TypeError(f"the state must be a dict or a tuple of {', '.join(form.states)}")


def outcome(
    returned: Any, form: NormalForm, case: Case, to_numpy: Callable[[Any], Array]
) -> Outcome:
    """What was returned, as arrays; errors are those of `parts`.

    A state's first axis of length one, as layers of torch have, is taken off.
    """
    y, states = parts(returned, form)
    last = {}
    for name, value in states.items():
        array = to_numpy(value)
        last[name] = array[0] if array.shape == (1, *case.last[name].shape) else array
    return Outcome(to_numpy(y), last)


def shown(value: Any) -> str:
    """What something is, in a few words."""
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__} of {len(value)}"
    shape = getattr(value, "shape", None)
    of_shape = f" of shape {tuple(shape)}" if isinstance(shape, tuple) else ""
    return f"{type(value).__name__}{of_shape}"


def failure(name: str, error: BaseException, how: str) -> VerificationError:
    """The error of an implementation, said of it."""
    return VerificationError(f"{name} failed when {how}: {type(error).__name__}: {error}")
