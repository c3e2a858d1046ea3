"""Write generated modules to disk, safely, and compare those on disk with what belongs there."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lstmgen.errors import LstmgenError, VerificationError
from lstmgen.targets import registry
from lstmgen.targets.common.header import read_header
from lstmgen.targets.rendering import files as files_of
from lstmgen.targets.target import Files, module_name
from lstmgen.targets.writing import Outcome, read, write_all

if TYPE_CHECKING:
    from lstmgen.stages import Stages
    from lstmgen.targets.target import Target

__all__ = ["KEPT", "Prepared", "build", "check_folder", "is_generated", "prepare"]

KEPT = ("rnn", "lstm", "peephole", "coupled", "gru", "gru_reset_after")
"""The cells whose modules, for the built-in targets, the repository keeps in generated/."""

_DIFF_LINES = 20


def is_generated(content: bytes) -> bool:
    """Whether a file's content begins with the line that every file of lstmgen begins with."""
    return read_header(content) is not None


@dataclass(frozen=True, slots=True)
class Prepared:
    """The files of one module, rendered and not yet written.

    Attributes:
        cell, target: whose they are.
        folder: where they go.
        files: their text by name, the module first.
    """

    cell: Stages
    target: Target
    folder: Path
    files: Files

    def paths(self) -> dict[Path, bytes]:
        """The content of each file."""
        return {self.folder / name: text.encode() for name, text in self.files.items()}

    def verify(self) -> None:
        """Compare what is about to be written with the equations, quickly.

        Raises:
            VerificationError: they disagree; the message names the equations.
        """
        if all(read(path) == content for path, content in self.paths().items()):
            return  # nothing will be written
        try:
            problems = self.target.quick_check(self.cell, self.files)
        except LstmgenError:
            raise
        except Exception as error:  # whatever a text that is no module does
            count = len(self.cell.equations)
            equations = "equation (1)" if count == 1 else f"equations (1) to ({count})"
            problems = (f"{equations}: the module cannot be used: {_shown(error)}",)
        if problems:
            raise VerificationError(
                f"{self.cell.name} for {self.target.name} is not written, as it disagrees with its "
                "equations (--no-verify writes it nevertheless):\n  " + "\n  ".join(problems)
            )

    def write(self, *, force: bool = False) -> tuple[Outcome, ...]:
        """Put the files in place, all of them or none; see `write_all`."""
        return write_all(self.paths(), is_ours=is_generated, force=force)

    def compare(self) -> tuple[Outcome, ...]:
        """Compare the files on disk with what would be written; nothing is changed."""
        found = []
        for path, wanted in self.paths().items():
            present = read(path)
            same = present == wanted
            difference = "" if same else _difference(path, present, wanted)
            found.append(Outcome(path, "unchanged" if same else "differs", difference))
        return tuple(found)


def prepare(
    cell: Stages,
    target: str | Target,
    directory: str | os.PathLike[str] = "generated",
    *,
    as_on_disk: bool = False,
    **options: str | None,
) -> Prepared:
    """Render the files of a module.

    Args:
        cell: the cell.
        target: a target or its name.
        directory: where the files are to go.
        as_on_disk: options that are not given are those that the module on disk says.
        options: as in `lstmgen.render`.

    Raises:
        UsageError, EquationError, UnavailableError: as `lstmgen.render`.
    """
    found, folder = registry.get(target), Path(directory)
    if as_on_disk:
        header = read_header(read(folder / module_name(cell.name, found.name)) or b"")
        said = header.options if header and header.target == found.name else {}
        given = {name: value for name, value in options.items() if value is not None}
        options = {o.name: said[o.name] for o in found.options if said.get(o.name) in o.values}
        options |= given
    return Prepared(cell, found, folder, files_of(cell, found, **options))


def build(
    cell: Stages,
    target: str | Target,
    directory: str | os.PathLike[str] = "generated",
    *,
    check: bool = False,
    force: bool = False,
    verify: bool = True,
    **options: str | None,
) -> tuple[Outcome, ...]:
    """Write `<cell>_<target>.py`, and what else the target writes, to a directory.

    The directory is made if need be.  The files appear whole or not at all, and one that is right
    already is left alone.

    Args:
        cell: the cell.
        target: a target or its name.
        directory: where the module goes.
        check: write nothing; compare the files' bytes with what would be written.
        force: overwrite even files that lstmgen did not write.
        verify: first compare what is to be written with the equations, in under half a second.
        options: as in `lstmgen.render`; with `check` those that are not given are what the file
            says.

    Returns:
        What was done or found for each file, the module first.

    Raises:
        VerificationError: what is to be written disagrees with its equations.
        UsageError: a file was not written by lstmgen, the place cannot be written to, or the
            target has no such option.
        EquationError, UnavailableError: as `lstmgen.render`.
    """
    prepared = prepare(cell, target, directory, as_on_disk=check, **options)
    if check:
        return prepared.compare()
    if verify:
        prepared.verify()
    return prepared.write(force=force)


def check_folder(
    directory: str | os.PathLike[str], targets: Iterable[str] | None = None
) -> Iterator[Outcome]:
    """Compare every module in a directory with what belongs there.

    Those of `KEPT` must be there, for the built-in targets.  A module of a cell that is not built
    in cannot be compared, which is said.  By default this is for all targets.
    """
    from lstmgen.library.loading import load, names

    folder = Path(directory)
    for target in registry.names() if targets is None else targets:
        ending = module_name("", target)
        present = sorted(p.name.removesuffix(ending) for p in folder.glob(f"*{ending}"))
        kept = KEPT if target in registry.BUILT_IN else ()
        for name in dict.fromkeys((*kept, *present)):
            if name in names():
                yield from build(load(name), target, folder, check=True)
                continue
            path = folder / module_name(name, target)
            yield Outcome(
                path,
                "not compared",
                f"{path}: not compared, {name} is not a built-in cell; "
                f"check it with: lstmgen build {name}.py --target {target} --check",
            )


def _shown(error: Exception) -> str:
    line = f"line {error.lineno}: " if isinstance(error, SyntaxError) else ""
    return f"{type(error).__name__}: {line}{error.msg if line else error}"  # type: ignore[attr-defined]


def _difference(path: Path, present: bytes | None, wanted: bytes) -> str:
    if present is None:
        return f"{path} is missing"
    lines = list(
        difflib.unified_diff(
            present.decode(errors="backslashreplace").splitlines(),
            wanted.decode().splitlines(),
            f"{path} (on disk)",
            f"{path} (as generated)",
            n=1,
            lineterm="",
        )
    )
    if not lines:
        return f"{path}: the line ends differ from those generated"
    left = len(lines) - _DIFF_LINES
    return "\n".join(lines[:_DIFF_LINES] + [f"... and {left} more lines"] * (left > 0))
