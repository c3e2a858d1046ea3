"""Read the symbol table of a built library: which kernels it has, how much static shared memory.

`__shared__` variables are thread-local variables of the library, so their sizes stand there.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Symbol", "shared_variables", "symbols"]

_SYMBOL_TABLE = 2  # SHT_SYMTAB
FUNCTION, THREAD_LOCAL = 2, 6  # STT_FUNC, STT_TLS


@dataclass(frozen=True)
class Symbol:
    """A defined symbol: its mangled name, its kind (STT_...), its size in bytes."""

    name: str
    kind: int
    size: int


def symbols(path: Path) -> list[Symbol]:
    """The defined symbols of a 64-bit little-endian ELF file."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        raise ValueError(f"{path} is not a 64-bit little-endian ELF file")
    (table,) = struct.unpack_from("<Q", data, 40)
    entry, count = struct.unpack_from("<HH", data, 58)
    sections = [struct.unpack_from("<IIQQQQIIQQ", data, table + i * entry) for i in range(count)]
    found = []
    for section in sections:
        if section[1] != _SYMBOL_TABLE:
            continue
        offset, size, link, unit = section[4], section[5], section[6], section[9]
        names = sections[link][4]
        for place in range(offset, offset + size, unit):
            name, info, _other, index, _value, length = struct.unpack_from("<IBBHQQ", data, place)
            if index == 0:
                continue
            end = data.index(b"\0", names + name)
            found.append(Symbol(data[names + name : end].decode(), info & 15, length))
    return found


def shared_variables(table: list[Symbol], kernel: str, others: list[str]) -> int:
    """Bytes of static shared memory of a kernel.

    A variable in a function belongs to the kernel unless the function is another kernel; what
    helper functions declare counts for every kernel of the text.
    """
    total = 0
    for symbol in table:
        if symbol.kind != THREAD_LOCAL or "cuda_on_cpu" in symbol.name:
            continue
        kernels = [kernel, *others]
        owner = next((n for n in kernels if symbol.name.startswith(f"_ZZ{len(n)}{n}")), "")
        if owner in ("", kernel):
            total += symbol.size
    return total
