"""RawModule and RawKernel: compile kernel text for the CPU, check a launch, run it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, ClassVar

from . import elf
from .arguments import argument_bits, check_threads, dimensions
from .array import ndarray
from .compiler import CompileException, find_compiler
from .emulator import Emulator
from .kernel_text import base_name, exports, read_kernel_text
from .native import KernelError, ModuleLibrary, NativeKernel

__all__ = ["Function", "RawKernel", "RawModule"]

_STANDARDS = ("c++03", "c++11", "c++14", "c++17", "c++20", "c++23")
_DEVICE_ONLY = (
    "--use_fast_math",
    "-use_fast_math",
    "--ftz",
    "-ftz",
    "--fmad",
    "-fmad",
    "--prec-div",
    "--prec-sqrt",
    "--maxrregcount",
    "-maxrregcount",
    "--ptxas-options",
    "-Xptxas",
    "-lineinfo",
    "--generate-line-info",
    "--extra-device-vectorization",
    "--restrict",
    "-default-device",
    "--device-as-default-execution-space",
    "-w",
    "--disable-warnings",
)


class Function:
    """A kernel that can be launched: `function(grid, block, arguments, shared_mem=0)`."""

    def __init__(
        self,
        emulator: Emulator,
        native: NativeKernel,
        *,
        static_shared: int,
        cooperative: bool,
    ) -> None:
        """Of a loaded library."""
        self._emulator = emulator
        self._native = native
        self._cooperative = cooperative
        self.name = native.name
        self.shared_size_bytes = static_shared
        self._dynamic_limit = max(0, emulator.limits.shared_per_block - static_shared)
        if static_shared > emulator.limits.shared_per_block:
            raise CompileException(
                f"{self.name}: {static_shared} bytes of static shared memory, at most "
                f"{emulator.limits.shared_per_block} are possible; take dynamic shared memory"
            )
        x, y, z = native.cluster
        if x * y * z > emulator.limits.cluster:
            raise CompileException(
                f"{self.name}: clusters of {x * y * z} blocks, at most "
                f"{emulator.limits.cluster} are portable"
            )

    @property
    def max_threads_per_block(self) -> int:
        """What `__launch_bounds__` gives, or 1024."""
        return min(self._native.max_threads, self._emulator.limits.threads_per_block)

    @property
    def max_dynamic_shared_size_bytes(self) -> int:
        """The most dynamic shared memory that a launch may ask for; can be raised to 227 KB."""
        return self._dynamic_limit

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, size: int) -> None:
        most = self._emulator.limits.shared_per_block_optin - self.shared_size_bytes
        if not 0 <= size <= most:
            raise ValueError(
                f"{self.name}: max_dynamic_shared_size_bytes = {size}; a block has at most "
                f"{most} bytes beside its static shared memory"
            )
        self._dynamic_limit = int(size)

    def __call__(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: Sequence[Any],
        *,
        shared_mem: int = 0,
        stream: Any = None,
    ) -> None:
        """Launch.  It has finished on return, though a caller must not rely on that.

        Raises TypeError or ValueError where the launch does not fit the kernel or the device,
        KernelError where a thread fails.
        """
        native, limits = self._native, self._emulator.limits
        grid3 = dimensions(self.name, "grid", grid, limits.grid)
        block3 = dimensions(self.name, "block", block, limits.block)
        threads = check_threads(self.name, block3, limits, native.max_threads)
        self._check_shared(shared_mem)
        cluster = native.cluster[0] * native.cluster[1] * native.cluster[2]
        if any(n % c for n, c in zip(grid3, native.cluster, strict=True)):
            raise ValueError(
                f"{self.name}: the grid {grid3} is no multiple of the cluster {native.cluster}"
            )
        if len(args) != len(native.parameters):
            raise TypeError(
                f"{self.name}: {len(args)} arguments, the kernel has {len(native.parameters)} "
                f"parameters ({', '.join(map(str, native.parameters))})"
            )
        for position, value in enumerate(args):
            if isinstance(value, ndarray) and value._emulator is not self._emulator:
                raise ValueError(
                    f"{self.name}: argument {position} is an array of another emulated device"
                )
        values = [
            argument_bits(self.name, i, value, parameter)
            for i, (value, parameter) in enumerate(zip(args, native.parameters, strict=True))
        ]
        blocks = grid3[0] * grid3[1] * grid3[2]
        resident = self._emulator.resident_blocks(threads, shared_mem + self.shared_size_bytes)
        if self._cooperative and blocks > resident:
            raise ValueError(
                f"{self.name}: a cooperative launch of {blocks} blocks, but only {resident} can "
                "be resident at the same time (CuPy would shrink the grid in silence)"
            )
        options = self._emulator.launch_options(
            threads,
            shared_mem + self.shared_size_bytes,
            cooperative=self._cooperative,
            cluster=cluster,
        )
        self._emulator.counters.add("launches")
        try:
            native.run(grid3, block3, values, shared_mem, options)
        except KernelError as error:
            if error.address:
                near = self._nearest(args, error.address)
                if near:
                    error.args = (f"{error.args[0]}, {near}",)
            raise
        self._check_guards(args)

    def _check_shared(self, size: int) -> None:
        if isinstance(size, bool) or not isinstance(size, int):
            raise TypeError(f"{self.name}: shared_mem must be an int, not {type(size).__name__}")
        if size < 0 or size > self._dynamic_limit:
            raise ValueError(
                f"{self.name}: {size} bytes of dynamic shared memory, but "
                f"max_dynamic_shared_size_bytes is {self._dynamic_limit}; set it first"
            )

    def _check_guards(self, args: Sequence[Any]) -> None:
        looked_at = set()  # several arguments may be views of one array
        for position, value in enumerate(args):
            if isinstance(value, ndarray) and id(value._allocation) not in looked_at:
                looked_at.add(id(value._allocation))
                damage = value._allocation.damage()
                if damage:
                    raise KernelError(
                        self.name,
                        "bounds",
                        f"argument {position} (shape {value.shape}, {value.dtype}) was written "
                        f"{damage}",
                    )

    @staticmethod
    def _nearest(args: Sequence[Any], address: int) -> str:
        near = [
            (distance, position)
            for position, value in enumerate(args)
            if isinstance(value, ndarray)
            and (distance := value._allocation.distance(address)) is not None
        ]
        return f"{min(near)[0]} bytes from the memory of argument {min(near)[1]}" if near else ""


class RawModule:
    """Kernel text and what is made of it; built at the first use, as in CuPy."""

    _emulator: ClassVar[Emulator]

    def __init__(
        self,
        *,
        code: str | None = None,
        path: str | None = None,
        options: Sequence[str] = (),
        backend: str = "nvrtc",
        translate_cucomplex: bool = False,
        enable_cooperative_groups: bool = False,
        name_expressions: Sequence[str] | None = None,
        jitify: bool = False,
    ) -> None:
        """Take the text.  Options as for NVRTC; those that only a device has are left out."""
        if not isinstance(code, str):
            raise TypeError("the stand-in for cupy takes a module's text in `code`")
        if path is not None or translate_cucomplex or jitify:
            raise ValueError("the stand-in for cupy has no path, translate_cucomplex or jitify")
        if backend not in ("nvrtc", "nvcc"):
            raise ValueError(f"no backend {backend!r}: nvrtc or nvcc")
        if name_expressions is not None and not any(_standard(option) for option in options):
            raise ValueError("name_expressions needs -std=c++11 or later among the options")
        self.code = code
        self.options = tuple(options)
        self.backend = backend
        self.enable_cooperative_groups = bool(enable_cooperative_groups)
        self.name_expressions = tuple(name_expressions or ())
        self._flags = _host_options(self.options)
        self._lock = threading.Lock()
        self._functions: dict[str, Function] = {}

    def compile(self, log_stream: Any = None) -> None:
        """Build and load now.  Raises CompileException with the compiler's messages."""
        with self._lock:
            if not self._functions:
                self._functions = self._build()

    def get_function(self, name: str) -> Function:
        """The kernel of this name, or of this name expression."""
        self.compile()
        if name not in self._functions:
            raise ValueError(
                f"CUDA_ERROR_NOT_FOUND: named symbol not found: no kernel {name!r}; there are "
                f"{', '.join(self._functions) or 'none'}. A kernel is found by its name if it is "
                'extern "C", or by a name expression given to RawModule'
            )
        return self._functions[name]

    def _build(self) -> dict[str, Function]:
        sanitize = self._emulator.sanitize
        kernels, dynamic = read_kernel_text(self.code)
        names = [k.name for k in kernels if k.extern_c and not k.template]
        names += [name for name in self.name_expressions if name not in names]
        if not names:
            return {}
        path = find_compiler().build_module(
            self.code, exports(names, kernels, dynamic), self._flags, sanitize=sanitize
        )
        library = ModuleLibrary(path, sanitize=sanitize)
        table = elf.symbols(path)
        bases = [base_name(name) for name in names]
        return {
            name: Function(
                self._emulator,
                library.kernel(number, name),
                static_shared=elf.shared_variables(
                    table, base, [other for other in bases if other != base]
                ),
                cooperative=self.enable_cooperative_groups,
            )
            for number, (name, base) in enumerate(zip(names, bases, strict=True))
        }


class RawKernel:
    """One kernel of a text: `RawKernel(code, name)(grid, block, arguments)`."""

    _emulator: ClassVar[Emulator]

    def __init__(
        self,
        code: str,
        name: str,
        options: Sequence[str] = (),
        backend: str = "nvrtc",
        *,
        translate_cucomplex: bool = False,
        enable_cooperative_groups: bool = False,
        jitify: bool = False,
    ) -> None:
        """Take the text; it is compiled at the first launch."""
        module = type("RawModule", (RawModule,), {"_emulator": self._emulator})
        self._module: RawModule = module(
            code=code,
            options=options,
            backend=backend,
            translate_cucomplex=translate_cucomplex,
            enable_cooperative_groups=enable_cooperative_groups,
            jitify=jitify,
        )
        self.name = name

    @property
    def kernel(self) -> Function:
        """The compiled kernel."""
        return self._module.get_function(self.name)

    def compile(self, log_stream: Any = None) -> None:
        """Compile now."""
        self._module.compile(log_stream)

    @property
    def max_dynamic_shared_size_bytes(self) -> int:
        """The most dynamic shared memory that a launch may ask for."""
        return self.kernel.max_dynamic_shared_size_bytes

    @max_dynamic_shared_size_bytes.setter
    def max_dynamic_shared_size_bytes(self, size: int) -> None:
        self.kernel.max_dynamic_shared_size_bytes = size

    def __call__(
        self,
        grid: tuple[int, ...],
        block: tuple[int, ...],
        args: Sequence[Any],
        *,
        shared_mem: int = 0,
    ) -> None:
        """Launch; see Function."""
        self.kernel(grid, block, args, shared_mem=shared_mem)


def _standard(option: str) -> str:
    """The language standard that an option asks for, or an empty string."""
    return option.split("=", 1)[1] if option.startswith(("-std=", "--std=")) else ""


def _host_options(options: Sequence[str]) -> list[str]:
    """The options for a C++ compiler: definitions and the standard, at least C++17."""
    flags = []
    for option in options:
        if not isinstance(option, str):
            raise TypeError(f"an option must be a str, not {type(option).__name__}")
        standard = _standard(option)
        if standard:
            if standard not in _STANDARDS:
                raise ValueError(f"no language standard {standard!r}")
            flags.append(f"-std={max(standard, 'c++17')}")
        elif option.startswith(("-D", "-U", "-I")) and len(option) > 2:
            flags.append(option)
        elif option.startswith("--define-macro="):
            flags.append("-D" + option.split("=", 1)[1])
        elif option.split("=", 1)[0] not in _DEVICE_ONLY:
            raise ValueError(
                f"option {option!r}: the stand-in for cupy knows -D, -U, -I, -std= and the "
                "options that only concern the device's code"
            )
    return flags
