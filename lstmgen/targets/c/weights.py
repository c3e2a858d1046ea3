"""Parameters as text of C, for programs that have them built in."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lstmgen.errors import UsageError
from lstmgen.targets.common.header import header_line

__all__ = ["header_text", "read_parameters"]

_TYPES = {np.dtype(np.float32): "float", np.dtype(np.float64): "double"}
_A_LINE = 5


def read_parameters(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a file that `numpy.savez` wrote, in its order.

    Raises:
        UsageError: it cannot be read, or is no such file.
    """
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            raise UsageError(f"{path} holds one array; numpy.savez(FILE, **params) is wanted")
        with found:
            return {name: found[name] for name in found.files}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile):
        raise UsageError(f"{path} is no file that numpy.savez(FILE, **params) writes") from None


def header_text(parameters: Mapping[str, npt.NDArray[Any]]) -> str:
    """Each array as `weights_NAME`, with every digit.

    Raises:
        UsageError: a name that C cannot have, another dtype, no numbers or infinite ones.
    """
    if not parameters:
        raise UsageError("there are no parameters in it")
    dtypes = {array.dtype for array in parameters.values()}
    for name, array in parameters.items():
        if not re.fullmatch(r"[A-Za-z0-9_]+", name):
            raise UsageError(f"{name!r}: a name of letters, digits and _ is wanted for C")
        if array.dtype not in _TYPES:
            raise UsageError(f"{name}: expected float32 or float64, got {array.dtype}")
        if len(dtypes) > 1:
            listed = ", ".join(sorted(map(str, dtypes)))
            raise UsageError(f"{name}: expected one dtype for all parameters, got {listed}")
        if not array.size:
            raise UsageError(f"{name}: expected numbers, got the shape {array.shape}")
        if not np.isfinite(array).all():
            raise UsageError(f"{name}: expected finite numbers, got infinities or NaN")
    return "\n".join(_lines(parameters)) + "\n"


def _lines(parameters: Mapping[str, npt.NDArray[Any]]) -> Iterator[str]:
    count = sum(array.size for array in parameters.values())
    size = sum(array.nbytes for array in parameters.values())
    yield f"/* {header_line('weights', 'c')}"
    yield ""
    yield f"{count} numbers, {size} bytes; the last index runs fastest. */"
    for name, array in parameters.items():
        kind = _TYPES[array.dtype]
        suffix = "f" if kind == "float" else ""
        yield ""
        yield f"// {name}: {array.shape}"
        yield f"static const {kind} weights_{name}[{array.size}] = {{"
        texts = [f"{float(value).hex()}{suffix}," for value in array.ravel()]
        for k in range(0, len(texts), _A_LINE):
            yield "    " + " ".join(texts[k : k + _A_LINE])
        yield "};"
