"""`python -m tests.targets.c.sanitized --cells 20 --seed 5`: random cells under GCC's sanitizers.

AddressSanitizer knows where NumPy's arrays end, and so finds what reads or writes behind them;
UndefinedBehaviorSanitizer ends the process where it finds something.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys

FLAGS = (
    "-O1",
    "-g",
    "-DCOLUMNS=2",
    "-DVECTOR_BYTES=32",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=undefined",
)


def main() -> int:
    """0 if all is well."""
    if "LD_PRELOAD" not in os.environ:
        libraries = [
            subprocess.run(
                ["gcc", f"-print-file-name={name}"], capture_output=True, text=True, check=True
            ).stdout.strip()
            for name in ("libasan.so", "libubsan.so")
        ]
        environment = os.environ | {
            "LD_PRELOAD": ":".join(libraries),
            "ASAN_OPTIONS": "detect_leaks=0",  # Python's own
            "CC": "env -u LD_PRELOAD gcc",
        }
        command = [sys.executable, "-m", "tests.targets.c.sanitized", *sys.argv[1:]]
        print(shlex.join(command), file=sys.stderr)
        return subprocess.run(command, env=environment).returncode
    from lstmgen.targets.c import module
    from tests.random_cells.__main__ import main as random_cells

    vars(module)["_FLAGS"] = tuple(f for f in module._FLAGS if f != "-O2") + FLAGS
    return random_cells([*sys.argv[1:], "--target", "c"])


if __name__ == "__main__":
    sys.exit(main())
