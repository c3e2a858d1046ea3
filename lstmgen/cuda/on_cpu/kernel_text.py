"""What has to be known of a kernel text: its kernels, their bounds, its dynamic shared memory.

The text itself is compiled as it is.  The lines that follow it (`exports`) tell the runtime each
kernel's address, parameters, `__launch_bounds__` and `__cluster_dims__`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["DYNAMIC_LIMIT", "KernelText", "base_name", "exports", "read_kernel_text"]

DYNAMIC_LIMIT = 227 * 1024
"""Bytes of shared memory that a block can have at most (compute capability 9.0)."""

_GUARD = 1024  # behind the dynamic shared memory; the runtime checks it

_COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
_GLOBAL = re.compile(r"\b__global__\b")
_DYNAMIC = re.compile(r"\bextern\s+__shared__\b[^;{}]*?\b(\w+)\s*\[\s*\]\s*;")
_WORD = re.compile(r"\s*(\w+)")
_EXTERN_C_BLOCK = re.compile(r'\bextern\s*"C"\s*\{')


@dataclass(frozen=True)
class KernelText:
    """A kernel found in a text; bounds and cluster are C++ expressions, empty where absent."""

    name: str
    extern_c: bool
    template: bool
    bounds: str = ""
    cluster: tuple[str, ...] = ()


def read_kernel_text(text: str) -> tuple[list[KernelText], list[str]]:
    """The kernels of a text in their order, and the names of its dynamic shared arrays."""
    clean = _COMMENT.sub(_blank, text)
    blocks = [(m.start(), _matching(clean, m.end() - 1)) for m in _EXTERN_C_BLOCK.finditer(clean)]
    kernels: dict[str, KernelText] = {}
    for match in _GLOBAL.finditer(clean):
        kernel = _kernel_at(clean, match, blocks)
        if kernel is not None and not (kernel.name in kernels and not kernel.bounds):
            kernels[kernel.name] = kernel
    return list(kernels.values()), list(dict.fromkeys(_DYNAMIC.findall(clean)))


def base_name(expression: str) -> str:
    """The kernel's own name in a name expression: `ns::step<float, 4>` -> `step`."""
    return expression.split("<")[0].strip().split("::")[-1].strip()


def exports(names: Sequence[str], kernels: Iterable[KernelText], dynamic: Sequence[str]) -> str:
    """The C++ lines that export `names` (kernels, or instances of templates) to the runtime."""
    known = {kernel.name: kernel for kernel in kernels}
    lines = []
    pool = "nullptr"
    if dynamic:
        pool = "cuda_on_cpu_own_dynamic_shared"
        labels = "".join(f'"{n}:\\n.type {n}, STT_TLS\\n"' for n in dynamic)
        # Every `extern __shared__` array is the same memory, whatever its type: labels do that.
        lines += [
            '__asm__(".pushsection .tbss,\\"awT\\",%nobits\\n.balign 128\\n"',
            f'{labels}"cuda_on_cpu_dynamic_shared:\\n.type cuda_on_cpu_dynamic_shared, STT_TLS\\n"',
            f'".zero {DYNAMIC_LIMIT + _GUARD}\\n.popsection\\n");',
            'extern "C" __attribute__((visibility("hidden")))',
            "__thread unsigned char cuda_on_cpu_dynamic_shared[];",
            "static unsigned char *cuda_on_cpu_own_dynamic_shared() {",
            "  return cuda_on_cpu_dynamic_shared;",
            "}",
        ]
    for number, name in enumerate(names):
        kernel = known.get(base_name(name))
        bounds = kernel.bounds if kernel is not None and kernel.bounds else "1024"
        cluster = kernel.cluster if kernel is not None else ()
        x, y, z = (*cluster, "1", "1", "1")[:3]
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(
            f'CUDA_ON_CPU_KERNEL({number}, "{quoted}", {pool}, ({bounds}), ({x}), ({y}), ({z}), '
            f"&{name})"
        )
    return "\n".join(lines)


def _blank(match: re.Match[str]) -> str:
    """Comments become spaces; strings stay, for `extern "C"` is one."""
    found = match.group()
    return found if found[0] in "\"'" else re.sub(r"[^\n]", " ", found)


def _matching(text: str, opening: int) -> int:
    """The index of the bracket that closes the one at `opening`."""
    pairs = {"(": ")", "{": "}"}
    closing = pairs[text[opening]]
    depth = 0
    for index in range(opening, len(text)):
        if text[index] == text[opening]:
            depth += 1
        elif text[index] == closing:
            depth -= 1
            if depth == 0:
                return index
    return len(text)


def _kernel_at(
    text: str, match: re.Match[str], blocks: Sequence[tuple[int, int]]
) -> KernelText | None:
    start = max(text.rfind(character, 0, match.start()) for character in ";}{")
    # A `#` line ends before the declaration.
    before = "\n".join(
        line
        for line in text[start + 1 : match.start()].split("\n")
        if not line.lstrip().startswith("#")
    )
    template = re.search(r"\btemplate\s*<(.*)>", before, re.DOTALL)
    extern_c = bool(re.search(r'\bextern\s*"C"', before)) or any(
        a < match.start() < b for a, b in blocks
    )
    attributes = _attributes(before)
    place = match.end()
    while True:
        word = _WORD.match(text, place)
        if word is None:
            return None
        after = re.compile(r"\s*\(").match(text, word.end())
        if after is None:
            place = word.end()
            continue
        if word.group(1) not in ("__launch_bounds__", "__cluster_dims__"):
            break
        closing = _matching(text, after.end() - 1)
        attributes[word.group(1)] = _split(text[after.end() : closing])
        place = closing + 1
    bounds = attributes.get("__launch_bounds__", [""])[0]
    if template and any(
        re.search(rf"\b{re.escape(name)}\b", bounds)
        for name in re.findall(r"(\w+)\s*(?:,|=|$)", template.group(1))
    ):
        bounds = ""  # depends on a template parameter
    cluster = tuple(attributes.get("__cluster_dims__", []))
    return KernelText(word.group(1), extern_c, template is not None, bounds, cluster)


def _attributes(text: str) -> dict[str, list[str]]:
    found = {}
    for match in re.finditer(r"\b(__launch_bounds__|__cluster_dims__)\s*\(", text):
        found[match.group(1)] = _split(text[match.end() : _matching(text, match.end() - 1)])
    return found


def _split(arguments: str) -> list[str]:
    """Split at the commas that stand in no brackets."""
    parts, depth, last = [], 0, 0
    for index, character in enumerate(arguments):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append(arguments[last:index].strip())
            last = index + 1
    return [*parts, arguments[last:].strip()]
