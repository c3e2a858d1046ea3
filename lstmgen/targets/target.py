"""The protocol of targets: everything that lstmgen asks of one.

Importing this imports nothing that is slow; so should the module of a target, which is imported
for `lstmgen build --help`.  What is slow to import belongs into the methods.
"""

from __future__ import annotations

import itertools
import linecache
import sys
import types
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lstmgen.errors import EquationError, UnavailableError, UsageError
from lstmgen.targets.requirement import Requirement

if TYPE_CHECKING:
    import numpy.typing as npt

    from lstmgen.stages import Stages
    from lstmgen.verification.report import Check
    from lstmgen.verification.verifier import Bench

__all__ = [
    "Counters",
    "Files",
    "Inspection",
    "Option",
    "Runner",
    "Sizes",
    "Target",
    "execute",
    "module_name",
    "module_text",
]

Files = Mapping[str, str]
"""The text of a module's files, by name; the module itself comes first."""

_SERIAL = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Option:
    """A choice that the user has in what a target writes.

    Attributes:
        name: in Python a keyword of `lstmgen.render`, on the command line `--name`.
        values: what may be chosen.
        default: which of them it is where nothing is said.
        help: for the command line, what the values mean.
        in_header: whether a value other than the default stands in the files' first line, from
            which `build --check` knows it again.
    """

    name: str
    values: tuple[str, ...]
    default: str
    help: str
    in_header: bool = True


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes at which a target's modules are verified, besides those of every module.

    Wanted are sizes beyond every border that the modules have: of a chunk, a tile, a block.

    Attributes:
        more: as (T, B, H, D), those that a module works at in other ways: where a kernel has more
            than one block, where a row ends within a vector's load.
        batches: how many times the rows of the first case are repeated, each a check of its own.
        enlarged: each (rows, units): the first case with each row and each unit so many times;
            units is a power of two.
        long: each (steps, rows, units): a case of so many steps, two rows and two units, enlarged
            likewise.
        sequences: each (steps, rows, units): the same with lengths and restarts, of so many steps
            and rows in all, with each unit so many times.
    """

    more: tuple[tuple[int, int, int, int], ...] = ()
    batches: tuple[int, ...] = (40,)
    enlarged: tuple[tuple[int, int], ...] = ()
    long: tuple[tuple[int, int, int], ...] = ((100, 16, 32),)
    sequences: tuple[tuple[int, int, int], ...] = ((60, 40, 16),)


@dataclass(frozen=True)
class Runner:
    """A module and its arrays.

    Attributes:
        module: a generated module, or anything with its functions.
        target: the target that it is for.
        device: where it runs, one of the target's devices.
        to_device: a new array of the target with the values of a NumPy array.
        to_host: the NumPy array of an array of the target; raises TypeError for anything else.
        name: what the report calls the module.
        library: the module's array library, where that is not NumPy.
        note: what the report says of the device, after its name.
    """

    module: Any
    target: Target
    device: str
    to_device: Callable[[npt.NDArray[Any]], Any]
    to_host: Callable[[Any], npt.NDArray[Any]]
    name: str = "generated"
    library: Any = None
    note: str = ""

    @property
    def native(self) -> bool:
        """Whether the module may end or hang the process in which it is called."""
        return self.device in self.target.native


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a target finds in a module without running it: by a compiler, say.

    Attributes:
        checks: lines for the report.
        kernels: what each compiled function takes of the device, as plain data for the report's
            JSON.
        lines: the same as text.
        unchecked: what could not be looked at here, why, and how to get what is missing.
    """

    checks: tuple[Check, ...] = ()
    kernels: tuple[Mapping[str, object], ...] = ()
    lines: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Counters:
    """A module again, whose compiled text counts what of it runs.

    Attributes:
        runner: the module.
        never: the statements of the text that have not run so far.
    """

    runner: Runner
    never: Callable[[], Sequence[str]]


class Target(ABC):
    """What modules are generated for.  docs/targets.md shows a whole one.

    A class of your own says `name`, `title` and `summary` and has `render`; all else has a default
    for modules that run on NumPy arrays on this machine:

        class Shouting(Target):
            name = "shouting"
            title = "SHOUTING"
            summary = "NumPy modules with a comment in capitals."
            options = (Option("twice", ("no", "yes"), "no", "yes: say it twice."),)

            def render(self, cell, options):
                times = 2 if options["twice"] == "yes" else 1
                first = header(cell, self, options)
                return f'\"\"\"{first}\"\"\"\\n' + times * "# HELLO\\n" + ...

    The first line of every file is `lstmgen.targets.common.header.header`, in whatever the file's
    language has for a comment: by it lstmgen knows its own files.  The module has the functions
    and constants of every generated module (docs/modules.md).

    Attributes:
        name: as on the command line; files are called CELL_name.py.
        title: as in headings, "NumPy".
        summary: a line for the help.
        options: what the user can choose.
        devices: where modules run, the target's own first.
        dtypes: what modules compute in.
        functions: the functions of `lstmgen.algebra.functions` that it can print; None for all.
        sizes: where its modules are verified.
        sequences: whether `forward` takes `lengths` and `restart`; modules that do not are verified
            without, and the report says so.
        machine: functions of its modules that look for what the machine has, a compiler say: what
            of them is executed is another matter on every machine, and verification does not ask
            that all of it is.
        native: devices on which its modules run compiled text of their own in this process, which a
            fault in it may end: they are verified in a process apart, whatever threads there are.
        imports: packages that its modules import and no other target's do.
        tensors: the kind of device, in torch's words, whose tensors are arrays of its modules
            without a copy: these can compute layers of PyTorch.
        rank: of the targets that can, that of the highest rank does.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    options: ClassVar[tuple[Option, ...]] = ()
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    dtypes: ClassVar[tuple[str, ...]] = ("float64", "float32")
    functions: ClassVar[frozenset[str] | None] = None
    sizes: ClassVar[Sizes] = Sizes()
    sequences: ClassVar[bool] = True
    machine: ClassVar[frozenset[str]] = frozenset()
    native: ClassVar[frozenset[str]] = frozenset()
    imports: ClassVar[frozenset[str]] = frozenset()
    tensors: ClassVar[str | None] = None
    rank: ClassVar[int] = 0

    # From a cell to text

    @abstractmethod
    def render(self, cell: Stages, options: Mapping[str, str]) -> str:
        """The text of a cell's module; the same arguments give the same text everywhere.

        `options` has a value for each of `self.options`.
        """

    def files(self, cell: Stages, options: Mapping[str, str]) -> Files:
        """The text of all files that a build writes, by name, the module first."""
        return {module_name(cell.name, self.name): self.render(cell, options)}

    def plan(self, cell: Stages, options: Mapping[str, str]) -> Any:
        """What the text is printed from, for tests and tools; None where there is no such thing."""
        return None

    @property
    def reserved(self) -> frozenset[str]:
        """The names that the generated code uses itself, and a cell's vectors must not."""
        return frozenset()

    def explain(self, cell: Stages) -> Mapping[str, Sequence[str]]:
        """Lines by title that `lstmgen explain --target` adds: how the module works."""
        return {}

    # Where modules run

    def check_available(self, device: str) -> None:  # noqa: B027, as most can always run
        """Raise `UnavailableError` where modules cannot run on the device here."""

    def load(self, files: Files, device: str, folder: Path | None = None) -> types.ModuleType:
        """Run a module's text; `folder` is where the files lie, None where they lie nowhere.

        Raises:
            UnavailableError: what the module imports is not here.
        """
        return execute(files, self.name, folder)

    def runner(self, module: Any, device: str | None = None, name: str = "generated") -> Runner:
        """A runner for a module that is loaded.

        `device` is None or "auto" for the one it was loaded for.  Raises `UsageError` where the
        device is not one of the target's, or not the module's.
        """
        import numpy as np

        self.check_device(device)
        chosen = device if device not in (None, "auto") else self.devices[0]
        return Runner(module, self, str(chosen), np.array, _numpy_to_host, name)

    def requirements(self) -> tuple[Requirement, ...]:
        """What its modules need to run and to be verified, for `lstmgen doctor`."""
        return ()

    # Verification

    def quick_check(self, cell: Stages, files: Files) -> tuple[str, ...]:
        """What is wrong with what is to be written, with the equation; nothing if it is right.

        This may take half a second.  By default the module is run, and compared with the
        equations in float64.  A target whose modules need a compiler compares the program that
        they are printed from.
        """
        from lstmgen.verification.quick import check_module

        return check_module(cell, self.runner(self.load(files, self.devices[0])))

    def extra_checks(self, bench: Bench) -> None:  # noqa: B027, as most need none
        """Run checks that only this target's modules need; they report to `bench.session`."""

    def counters(self, runner: Runner) -> Counters | None:
        """The module with counters in what of it is compiled; None where nothing is, or can have.

        Python's statements need none.
        """
        return None

    def inspect(self, runner: Runner) -> Inspection:
        """Look at a module without running it."""
        return Inspection()

    # What need not be changed

    def check_device(self, device: str | None) -> None:
        """Raise `UsageError` unless the device is None, "auto" or one of the target's."""
        if device not in (None, "auto", *self.devices):
            raise UsageError(
                f"the target {self.name} runs on {' or '.join(self.devices)}, not on {device!r}"
            )

    def choose_device(self, device: str | None = None) -> str:
        """The device that was asked for; for None or "auto" the first that is here, or the last."""
        self.check_device(device)
        if device not in (None, "auto"):
            return str(device)
        for found in self.devices[:-1]:
            try:
                self.check_available(found)
            except UnavailableError:
                continue
            return found
        return self.devices[-1]

    def settle(self, given: Mapping[str, str | None]) -> dict[str, str]:
        """A value for each of the target's options; None in `given` is as not given.

        Raises:
            UsageError: the target has no such option, or the option no such value.
        """
        chosen = {option.name: option.default for option in self.options}
        values = {option.name: option.values for option in self.options}
        for name, value in given.items():
            if value is None:
                continue
            if name not in values:
                known = ", ".join(f"--{n}" for n in values)
                raise UsageError(
                    f"the target {self.name} has no option --{name}"
                    + (f"; it has {known}" if known else "; it has none")
                )
            if value not in values[name]:
                expected = " or ".join(values[name])
                raise UsageError(f"{name}: expected {expected}, got {value!r}")
            chosen[name] = value
        return chosen

    def check_functions(self, cell: Stages) -> None:
        """Raise `EquationError` where the cell needs a function that the target cannot print."""
        if self.functions is None:
            return
        from lstmgen.algebra.expression import Call, walk

        for definition in cell.normal_form.definitions:
            for node in walk(definition.value):
                if isinstance(node, Call) and node.function not in self.functions:
                    raise EquationError(
                        f"equation ({definition.equation}) of {cell.name} has {node.function}, "
                        f"which the target {self.name} cannot compute; build it for another"
                    )


def module_name(cell: str, target: str) -> str:
    """The file name of a generated module."""
    return f"{cell}_{target}.py"


def execute(files: Files, target: str, folder: Path | None = None) -> types.ModuleType:
    """The first of the files, run as a module; its neighbours are not looked at.

    Raises:
        UnavailableError: it imports what is not here.
    """
    file, source = next(iter(files.items()))
    name = Path(file).stem
    if folder is None:
        place = f"<lstmgen {name} {next(_SERIAL)}>"
        # Tracebacks and inspect.getsource show the generated lines.
        linecache.cache[place] = (len(source), None, source.splitlines(True), place)
    else:
        name, place = f"lstmgen_module_file_{name}", str(folder / file)
    module = types.ModuleType(name)
    module.__file__ = place
    code = compile(source, place, "exec", dont_inherit=True)
    if folder is not None:
        sys.modules[name] = module  # a dataclass looks its module up while it is made
    try:
        exec(code, module.__dict__)
    except ImportError as error:
        raise UnavailableError(
            f"the target {target} needs a package that is not here ({error}); see `lstmgen doctor`"
        ) from error
    finally:
        if folder is not None:
            sys.modules.pop(name, None)
    return module


def module_text(module: Any) -> str:
    """The text that a module was made of, from its file or from memory."""
    return "".join(linecache.getlines(str(getattr(module, "__file__", ""))))


def _numpy_to_host(value: Any) -> npt.NDArray[Any]:
    import numpy as np

    if not isinstance(value, (np.ndarray, np.generic)):
        raise TypeError(f"a NumPy array was expected, not {type(value).__name__}")
    return np.asarray(value)
