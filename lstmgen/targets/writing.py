"""Files that appear whole or not at all, and never in the place of somebody else's."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lstmgen.errors import UsageError

__all__ = ["Outcome", "check_ours", "read", "write", "write_all"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done or found for one file.

    Attributes:
        path: the file.
        action: "written", "updated", "unchanged"; where files are compared, "unchanged",
            "differs", or "not compared".
        difference: for "not compared" why; for "differs" what is wrong, with a short unified diff
            where there is a file.
    """

    path: Path
    action: str
    difference: str = ""


def write(
    path: Path, wanted: bytes, *, is_ours: Callable[[bytes], bool], force: bool = False
) -> Outcome:
    """Put a file in place; arguments and errors are those of `write_all`."""
    (outcome,) = write_all({path: wanted}, is_ours=is_ours, force=force)
    return outcome


def write_all(
    wanted: Mapping[Path, bytes], *, is_ours: Callable[[bytes], bool], force: bool = False
) -> tuple[Outcome, ...]:
    """Put files in place, all of them or none; folders on the way to them are made.

    Each appears in one step: a reader sees the old file or the new one.  Nothing is put in place
    before all is on the disk, and what was put in place is taken back if a later one fails; only
    the end of the process between two of them can leave some.  The first of them comes last, so
    that it finds the others.

    Args:
        wanted: the content of each file.
        is_ours: whether a content that is there was written by lstmgen, and may be replaced.
        force: replace any.

    Raises:
        UsageError: a file was not written by lstmgen, or a place cannot be written to.
    """
    present = {path: read(path) for path in wanted}
    changed = {path: content for path, content in wanted.items() if present[path] != content}
    for path in changed:
        check_ours(path, is_ours=is_ours, force=force)
    temporary: dict[Path, Path] = {}
    done: list[Path] = []
    try:
        for path, content in changed.items():
            temporary[path] = _beside(path)
            _fill(temporary[path], content, like=path)
        for path in reversed(changed):
            os.replace(temporary[path], path.resolve())  # through a link, to what it names
            done.append(path)
    except BaseException as error:
        for earlier in done:
            _take_back(earlier, present[earlier])
        if isinstance(error, OSError):
            raise UsageError(f"{path} cannot be written: {error.strerror}") from None
        raise
    finally:
        for place in temporary.values():
            place.unlink(missing_ok=True)
    return tuple(
        Outcome(path, "unchanged")
        if path not in changed
        else Outcome(path, "written" if present[path] is None else "updated")
        for path in wanted
    )


def check_ours(path: Path, *, is_ours: Callable[[bytes], bool], force: bool = False) -> None:
    """See to it that a file may be replaced: it is not there, or lstmgen wrote it, or `force`.

    Raises:
        UsageError: it may not be replaced.
    """
    present = read(path)
    if present is not None and not force and not is_ours(present):
        raise UsageError(
            f"{path} was not written by lstmgen and is not overwritten; give another place "
            "with -o, move the file away, or pass --force"
        )


def read(path: Path) -> bytes | None:
    """A file's content; None where there is no file.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def _beside(path: Path) -> Path:
    """A new name in the folder of a file, which is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path = path.resolve()
    return path.with_name(f".{path.name}.{secrets.token_hex(6)}")


def _fill(temporary: Path, content: bytes, like: Path) -> None:
    with temporary.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if like.exists():
        shutil.copymode(like, temporary)


def _take_back(path: Path, content: bytes | None) -> None:
    """The file as it was; where that fails too, there is nothing more to be done."""
    with contextlib.suppress(OSError):
        if content is None:
            path.unlink(missing_ok=True)
        else:
            temporary = _beside(path)
            _fill(temporary, content, like=path)
            os.replace(temporary, path.resolve())
