"""Build shared libraries from kernel text with the host's C++ compiler, and keep them in a cache.

Two libraries make a launch: the runtime (fibers, barriers, launches; built once) and one for each
kernel text.  A library's name is a hash of everything it was made from, so a stale one is never
used; it is moved into the cache in one step, so that processes may share the cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from lstmgen.errors import UnavailableError

__all__ = ["CompileException", "Compiler", "cache_folder", "find_compiler"]

_PACKAGE = Path(__file__).resolve().parent
_INCLUDE = _PACKAGE / "include"
_RUNTIME = _PACKAGE / "runtime"

_COMMON = (
    "-std=c++17",
    "-O1",
    "-fPIC",
    "-fvisibility=hidden",
    "-pthread",
    "-U_FORTIFY_SOURCE",
    "-fno-omit-frame-pointer",
)
_KERNEL = (
    "-Og",  # compiles in half the time of -O1, and most kernels run for a moment only
    "-w",
    "-ffp-contract=off",  # a * b + c is rounded twice unless the text says fma
    "-fno-strict-aliasing",  # reinterpret_cast<float4 *> is usual in kernels
    "-fno-math-errno",
    "-fno-exceptions",
    "-fno-semantic-interposition",
    "-fsanitize=bounds,alignment",  # their handlers are the runtime's own
)
_LINK = (
    "-shared",
    "-pthread",
    "-Wl,-z,now",
    # The runtime brings the C++ library; to search it for every kernel text takes time.
    "-nodefaultlibs",
    "-lm",
    "-lc",
)
_WRAPPED = tuple(
    f"-Wl,--wrap=__ubsan_handle_{name}" for name in ("out_of_bounds", "type_mismatch_v1")
)
_GCC = (
    "-fno-extern-tls-init",
    # Threads read threadIdx all the time: the quicker way to thread-local variables.
    *(("-mtls-dialect=gnu2",) if platform.machine() == "x86_64" else ()),
)
_SANITIZE = ("-fsanitize=address", "-fsanitize-recover=address", "-g1")

_INSTALL = (
    "CUDA kernels run on the CPU through a C++17 compiler, and none was found{where}. Install "
    "g++ (Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++; Alpine: apk add g++) or "
    "clang++, or name one in the environment variable CXX."
)


class CompileException(RuntimeError):
    """Kernel text that the compiler refuses; the message is the compiler's, with its line."""


@dataclass(frozen=True)
class Compiler:
    """A C++ compiler of this machine: its command, what it calls itself, and its family."""

    command: tuple[str, ...]
    version: str
    clang: bool

    def build_runtime(self, *, sanitize: bool) -> Path:
        """The runtime library; `sanitize` gives the one for AddressSanitizer."""
        flags = (*_COMMON, *self._sanitize_flags(sanitize), "-shared")
        source = _RUNTIME / "runtime.cpp"
        target = self._target("libcuda_on_cpu", _library_digest(), flags)
        if not target.exists():
            name = f"-Wl,-soname,{target.name}"
            self._build([*flags, name, str(source)], target, "")
        return target

    def build_module(
        self, text: str, exports: str, options: Sequence[str], *, sanitize: bool
    ) -> Path:
        """The library of one kernel text.

        `exports` are the lines that follow it (see `kernel_text.exports`), `options` extra
        flags.  Raises CompileException with the compiler's messages.
        """
        runtime = self.build_runtime(sanitize=sanitize)
        flags = (
            *_COMMON,
            *_KERNEL,
            *self._sanitize_flags(sanitize),
            *(() if self.clang else _GCC),
            f"-I{_INCLUDE}",
        )
        source = f'#line 1 "kernel.cu"\n{text}\n#line 1 "exports"\n{exports}\n'
        target = self._target("kernels", runtime.name + source, (*flags, *options))
        if target.exists():
            return target
        standard = [option for option in options if option.startswith("-std=")]
        header = self._header([*flags, *standard])
        with tempfile.TemporaryDirectory(prefix="build-", dir=target.parent) as folder:
            objects = Path(folder) / "kernels.o"
            given = [*flags, "-include", str(header), *options]
            self._build([*given, "-x", "c++", "-c", "-"], objects, source)
            # Linked without the compiler's sanitizer libraries, apart from AddressSanitizer's.
            sanitizer = (f for f in self._sanitize_flags(sanitize) if f not in _SANITIZE[1:])
            self._build([str(objects), str(runtime), *_LINK, *_WRAPPED, *sanitizer], target, "")
        return target

    def _header(self, flags: Sequence[str]) -> Path:
        """The CUDA language, parsed already where the compiler can keep that: it takes a third.

        GCC takes the file beside the header that is kept with the same flags, or else the header.
        """
        header = _INCLUDE / "cuda_on_cpu.h"
        if self.clang:
            return header
        folder = self._target("header", _library_digest(), flags).with_suffix("")
        kept = folder / header.name
        if not kept.exists():
            with tempfile.TemporaryDirectory(prefix="build-", dir=folder.parent) as temporary:
                made = Path(temporary) / "header"
                made.mkdir(mode=0o700)
                (made / header.name).write_text(f'#include "{header}"\n')
                as_header = [*flags, "-x", "c++-header", str(made / header.name)]
                self._build(as_header, made / f"{header.name}.gch", "")
                with contextlib.suppress(OSError):  # another process was quicker
                    made.rename(folder)
        return kept

    def sanitizer_library(self) -> Path:
        """AddressSanitizer's library, which a process must load first (LD_PRELOAD)."""
        names = (
            ("libclang_rt.asan-x86_64.so", "libclang_rt.asan.so") if self.clang else ("libasan.so",)
        )
        for name in names:
            found = _run([*self.command, f"-print-file-name={name}"]).stdout.strip()
            if os.path.isabs(found) and os.path.exists(found):
                return Path(found).resolve()
        raise UnavailableError(
            f"{shlex.join(self.command)} comes without AddressSanitizer's shared library "
            f"({names[0]}). Install it (Debian, Ubuntu: libasan8 or libclang-rt-dev), or use "
            "another compiler through CXX."
        )

    def _sanitize_flags(self, sanitize: bool) -> tuple[str, ...]:
        if not sanitize:
            return ()
        return (*_SANITIZE, "-shared-libasan") if self.clang else _SANITIZE

    def _target(self, stem: str, content: str, flags: Sequence[str]) -> Path:
        digest = hashlib.sha256()
        for part in (content, self.version, *self.command, *flags):
            digest.update(part.encode())
            digest.update(b"\0")
        return cache_folder() / f"{stem}-{digest.hexdigest()[:24]}.so"

    def _build(self, arguments: Sequence[str], target: Path, source: str) -> None:
        """Run the compiler on standard input into a temporary file, then move that to `target`."""
        handle, name = tempfile.mkstemp(prefix=target.stem, suffix=".tmp", dir=target.parent)
        os.close(handle)
        try:
            done = _run([*self.command, *arguments, "-o", name], source)
            if done.returncode != 0:
                raise CompileException(
                    f"{self.command[0]} refused the kernel text:\n{done.stderr.strip()}"
                )
            os.chmod(name, 0o700)
            os.replace(name, target)
        finally:
            Path(name).unlink(missing_ok=True)


def find_compiler() -> Compiler:
    """The compiler that CXX names, or else g++, or else clang++.

    Raises UnavailableError, which says how to get one, where there is none.
    """
    if sys.platform != "linux":
        raise UnavailableError("CUDA kernels run on the CPU on Linux only, so far")
    return _find_compiler(os.environ.get("CXX", ""), os.environ.get("PATH", ""))


@cache
def _find_compiler(wanted: str, _path: str) -> Compiler:
    candidates = [shlex.split(wanted)] if wanted.strip() else [["g++"], ["clang++"]]
    for command in candidates:
        if shutil.which(command[0]) is None:
            continue
        asked = _run([*command, "--version"])
        if asked.returncode == 0:
            version = asked.stdout.splitlines()[0] if asked.stdout else command[0]
            return Compiler(tuple(command), version, "clang" in version.lower())
    where = f" under the name that CXX gives ({wanted})" if wanted.strip() else " (g++, clang++)"
    raise UnavailableError(_INSTALL.format(where=where))


def _run(command: Sequence[str], text: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command; not under the sanitizer that this process may be running under."""
    environment = {k: v for k, v in os.environ.items() if k not in ("LD_PRELOAD", "ASAN_OPTIONS")}
    return subprocess.run(
        list(command), input=text, capture_output=True, text=True, check=False, env=environment
    )


def cache_folder() -> Path:
    """The folder of built libraries: private to the user, made where it is missing.

    `$CUDA_ON_CPU_CACHE`, or lstmgen/cuda_on_cpu in `$XDG_CACHE_HOME` or ~/.cache; a folder of
    the user's in the system's temporary folder where that cannot be written.
    """
    named = os.environ.get("CUDA_ON_CPU_CACHE")
    if named:
        return _private(Path(named))
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    try:
        return _private(Path(base) / "lstmgen" / "cuda_on_cpu")
    except OSError:
        return _private(Path(tempfile.gettempdir()) / f"lstmgen-cuda-on-cpu-{os.getuid()}")


def _private(folder: Path) -> Path:
    """Make the folder; refuse one that others could put libraries into."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.stat()
    if status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(
            f"the cache folder {folder} can be written by others; make it private "
            "(chmod go-w) or name another in CUDA_ON_CPU_CACHE"
        )
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"the cache folder {folder} cannot be written")
    return folder


@cache
def _library_digest() -> str:
    """A hash of the C++ files that every library depends on."""
    digest = hashlib.sha256()
    for folder in (_INCLUDE, _RUNTIME):
        for path in sorted(p for p in folder.rglob("*") if p.suffix in {".h", ".cpp"}):
            digest.update(str(path.relative_to(folder)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
