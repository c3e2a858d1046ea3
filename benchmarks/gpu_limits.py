"""Measure the limits that decide how a persistent recurrent kernel should be built.

    python -m benchmarks.gpu_limits                    all parts on the first CUDA device
    python -m benchmarks.gpu_limits --part clusters    one part (may be given more than once)
    python -m benchmarks.gpu_limits --quick            fewer samples, to see that all runs
    python -m benchmarks.gpu_limits --dry-run-on-cpu   run, not time, what the CPU stand-in can

Every part runs in a process of its own, so that a kernel that hangs or breaks its CUDA context
costs that part alone; a case that fails says so in its line and the next one is measured.  Times
are read from CUDA events; a line shows median and quartiles beside the value predicted.  Results
go to benchmarks/results/gpu_limits-<device>.json (and .txt).  Parts not run keep what the file
held, and so does a part that failed where the file holds better; the program says so.  A quick run
writes gpu_limits-<device>-quick.json, a dry run writes nothing.

Exit status: 0 all measured, 1 some case failed, 2 usage, 4 no CUDA device (or, for a
dry run, no C++ compiler).
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__" and not __package__:
    # Run as a script, benchmarks/ is on the path instead, where torch.py is not PyTorch.
    sys.path[0] = str(ROOT)

from benchmarks.limits.device import Device, no_stand_in, on_cpu, on_gpu  # noqa: E402
from benchmarks.limits.results import MeasurementError, failed, run, table  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
PARTS = {
    "launch": "what a launch from CuPy costs",
    "step": "a product by cuBLAS and a fused kernel, per time step",
    "barriers": "a barrier over all blocks of a grid",
    "exchange": "a vector exchanged among all blocks of a grid through L2",
    "clusters": "a cluster's barrier and exchange",
    "bandwidth": "copy bandwidth",
    "rivals": "PyTorch's LSTM and GRU beside the generated modules",
}
"""Each part by the name of its module in benchmarks/limits."""
NOT_HERE = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts asked for, print the table, and write the results; gives the exit status."""
    options = _parser().parse_args(arguments)
    if options.records is not None:
        return _run_here(options)
    if options.dry_run_on_cpu and (reason := no_stand_in()):
        print(reason, file=sys.stderr)
        return NOT_HERE
    parts = options.part or list(PARTS)
    sections = {name: _run_apart(name, options) for name in dict.fromkeys(parts)}
    lines = []
    for name, section in sections.items():
        lines += [f"== {name}: {PARTS[name]}", table(section["records"]), ""]
    print("\n".join(lines))
    if options.dry_run_on_cpu:
        print("A dry run on the CPU: nothing was timed, nothing is written.", file=sys.stderr)
    elif device := next((s["device"] for s in sections.values() if s["device"]), None):
        paths, kept = write(device, sections, options.output, quick=options.quick)
        for line in (*kept, *(f"wrote {path}" for path in paths)):
            print(line, file=sys.stderr)
    else:
        print("No CUDA device answered; nothing is written.", file=sys.stderr)
        return NOT_HERE
    return int(any(r["error"] for section in sections.values() for r in section["records"]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gpu_limits",
        description="Measure what decides the design of persistent recurrent kernels.",
        epilog="parts: " + "; ".join(f"{name}: {what}" for name, what in PARTS.items()),
    )
    parser.add_argument("--part", action="append", choices=list(PARTS), help="only this part")
    parser.add_argument("--quick", action="store_true", help="few samples")
    parser.add_argument(
        "--dry-run-on-cpu", action="store_true", help="run on the CPU stand-in, without timing"
    )
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument(
        "--timeout", type=float, default=420.0, help="seconds after which a part is ended"
    )
    parser.add_argument("--records", type=Path, help=argparse.SUPPRESS)
    return parser


# -- one part in a process of its own ----------------------------------------------------------


def _run_apart(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run one part in a child process; what it measured before it ended is kept."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "records.jsonl")
        command = [sys.executable, "-m", "benchmarks.gpu_limits", "--part", name]
        command += ["--records", str(path)]
        command += ["--quick"] if options.quick else []
        command += ["--dry-run-on-cpu"] if options.dry_run_on_cpu else []
        print(f"{name} ...", file=sys.stderr, flush=True)
        reason = None
        try:
            # stdout is the table's; whatever a part prints goes to stderr (2).
            done = subprocess.run(command, stdout=2, cwd=ROOT, timeout=options.timeout, check=False)
            status = done.returncode
            if status < 0:
                reason = f"ended by signal {-status}"
            elif status:
                reason = f"ended with status {status}; see the messages above"
        except subprocess.TimeoutExpired:
            reason = f"ended after {options.timeout:g} s (--timeout)"
        lines = path.read_text().splitlines() if path.is_file() else []
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    section: dict[str, Any] = {"device": None, "measured_on": today, "records": []}
    started = "the start"
    for line in lines:
        with contextlib.suppress(ValueError):  # the last line of a process that was ended
            entry = json.loads(line)
            if "device" in entry:
                section["device"] = entry["device"]
            elif "started" in entry:
                started = entry["started"]
            else:
                section["records"].append(entry)
    if reason is not None:
        section["records"].append(failed(name, f"{reason}; it was at: {started}"))
    return section


def _run_here(options: argparse.Namespace) -> int:
    """Run one part in this process and append each record to the file as it comes."""
    (name,) = options.part
    with options.records.open("a", encoding="utf-8") as file:

        def put(entry: dict[str, Any]) -> None:
            file.write(json.dumps(entry) + "\n")
            file.flush()

        try:
            place = on_cpu if options.dry_run_on_cpu else on_gpu
            device = place(quick=options.quick)
            if device.on_gpu:
                put({"device": device.describe()})
            for case in _cases(name)(device):
                put({"started": f"{case.name} {dict(case.settings)}"})
                put(run(case))
        except MeasurementError as error:
            put(failed(name, str(error)))
        except Exception as error:  # a part that cannot list its cases is a failed part
            put(failed(name, f"{type(error).__name__}: {error}"))
    # A CUDA context that a kernel has broken can hang or crash while Python shuts down.
    sys.stderr.flush()
    os._exit(0)


def _cases(name: str) -> Callable[[Device], Iterator[Any]]:
    cases: Callable[[Device], Iterator[Any]] = import_module(f"benchmarks.limits.{name}").cases
    return cases


# -- results -----------------------------------------------------------------------------------


def write(
    device: dict[str, Any], sections: dict[str, Any], folder: Path, *, quick: bool
) -> tuple[tuple[Path, Path], list[str]]:
    """Write the JSON and the table; gives their paths, and a line for each part not replaced.

    Sections of the same file that were not run are kept, and those that a failed run would spoil.
    """
    name = re.sub(r"[^a-z0-9]+", "-", device["name"].lower()).strip("-")
    path = folder / f"gpu_limits-{name}{'-quick' if quick else ''}.json"
    old: dict[str, Any] = {}
    if path.is_file():
        old = json.loads(path.read_text(encoding="utf-8"))["parts"]
    merged, kept = {}, []
    for part in PARTS:
        if part in old and part in sections and _spoils(sections[part], old[part]):
            failures, cases = _failures(sections[part]), len(sections[part]["records"])
            note = (
                f"the results of {old[part]['measured_on']} stand: the run of "
                f"{sections[part]['measured_on']} failed in {failures} of {cases} cases"
            )
            merged[part] = {**old[part], "kept": note}
            kept.append(f"{part}: {note}")
        elif part in old or part in sections:
            merged[part] = (old | sections)[part]
    folder.mkdir(parents=True, exist_ok=True)
    document = {"schema": 1, "quick": quick, "parts": merged}
    _replace(path, json.dumps(document, indent=1) + "\n")
    lines = [f"{device['name']}, CuPy {device['cupy']}, CUDA driver {device['cuda_driver']}", ""]
    for part, section in merged.items():
        lines += [f"== {part}: {PARTS[part]}"]
        lines += [section["kept"]] if "kept" in section else []
        lines += [table(section["records"]), ""]
    _replace(path.with_suffix(".txt"), "\n".join(lines))
    return (path, path.with_suffix(".txt")), kept


def _spoils(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Whether a new section holds less than the old one because its run failed."""
    if _measured(new) and not _failures(new):
        return False
    if _measured(old) and not _failures(old):
        return True
    return _measured(old) > _measured(new)


def _measured(section: dict[str, Any]) -> int:
    return sum(record["measured"] is not None for record in section["records"])


def _failures(section: dict[str, Any]) -> int:
    return sum(record["error"] is not None for record in section["records"])


def _replace(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    os.replace(fresh, path)


if __name__ == "__main__":
    sys.exit(main())
