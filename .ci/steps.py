#!/usr/bin/env python3
"""The whole check of the project, from a fresh clone; it needs Python 3.11+, pip, git and g++.

    bash .ci/run

In a temporary folder: the README's set-up commands, read out of README.md, the first of them also
with the lowest versions that pyproject.toml admits; C modules of all built-in cells and of random
ones under AddressSanitizer and UndefinedBehaviorSanitizer; the pages of docs/, and the tests that
were skipped for want of PyTorch and onnxruntime again, where these are; then ruff, mypy --strict
and `lstmgen build --check` over generated/.  It stops at the first failure and says which step it
was.  pytest's summary stands at the end once more.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from xml.etree import ElementTree

TORCH = "torch==2.13.0"
"""What lstmgen.torch is tested with; a newer one may be a build for CUDA, of gigabytes."""

RANDOM_CELLS = "10"
"""How many random cells run under the sanitizers, beside all built-in ones."""

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run every step; the exit code is 0 only if all of them succeeded."""
    started = time.monotonic()
    for program in ("git", "g++"):
        if shutil.which(program) is None:
            return fail(f"{program} is needed and was not found")
    changed = output("git", "status", "--porcelain", cwd=ROOT)
    if changed:
        print(f"Not committed, and so not checked:\n{changed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="lstmgen-ci-") as folder:
        try:
            summary = steps(Path(folder))
        except subprocess.CalledProcessError as error:
            return fail(f"exit code {error.returncode} from: {error.cmd}")
        except LookupError as error:
            return fail(str(error))
    print(f"\npytest: {summary}", flush=True)
    print(f"all steps passed in {time.monotonic() - started:.0f} s", flush=True)
    return 0


def steps(folder: Path) -> str:
    """All steps in order; pytest's summary line."""
    names = ("product", "tests", "oldest", "references")
    product, tests, oldest, references = (folder / name for name in names)
    for clone in (product, tests, oldest, references):
        step("git", "clone", "--quiet", str(ROOT), str(clone), cwd=folder)
    use, test = setup_command(product, "use"), setup_command(tests, "test")
    step("sh", "-c", use, cwd=product)
    step("sh", "-c", use, cwd=product)  # it works a second time
    unchanged(product)
    with_lowest_versions(oldest, use)
    report = folder / "tests.xml"
    lines = step("env", f"PYTEST_ADDOPTS={junit(report)}", "sh", "-c", test, cwd=tests)
    summary = pytest_summary(lines)
    unchanged(tests)
    sanitized(tests)
    more = with_references(references, skipped_files(report))
    inside = f"{tests}/.venv/bin"
    step(f"{inside}/python", "-m", "pip", "install", "--quiet", ".[lint]", cwd=tests)
    step(f"{inside}/ruff", "check", cwd=tests)
    step(f"{inside}/ruff", "format", "--check", cwd=tests)
    step(f"{inside}/mypy", "--strict", "lstmgen/", cwd=tests)
    step(f"{inside}/lstmgen", "build", "--check", "-o", "generated", cwd=tests)
    return f"{summary}; with PyTorch and onnxruntime: {more}"


def sanitized(clone: Path) -> None:
    """C modules of all built-in cells and of random ones, compiled for sanitizers and run."""
    cache = clone.parent / "cache"
    cells = ["--library", "all", "--cells", RANDOM_CELLS]
    command = [".venv/bin/python", "-m", "tests.targets.c.many", "--sanitize", *cells]
    step("env", f"XDG_CACHE_HOME={cache}", *command, cwd=clone)
    unchanged(clone)


def with_references(clone: Path, files: list[str]) -> str:
    """The tests that were skipped for want of a package, where all packages are."""
    if not files:
        raise LookupError("no test was skipped for want of PyTorch: is it in the extra `test` now?")
    step("python3", "-m", "venv", ".venv", cwd=clone)
    step(".venv/bin/pip", "install", "--quiet", ".[test,references,docs]", TORCH, cwd=clone)
    step(".venv/bin/sphinx-build", "-W", "-q", "-b", "html", "docs", "build/docs", cwd=clone)
    report = clone.parent / "references.xml"
    lines = step(".venv/bin/pytest", *shlex.split(junit(report)), *files, cwd=clone)
    again = skipped_files(report)
    if again:
        raise LookupError(f"skipped for want of a package all the same: {', '.join(again)}")
    unchanged(clone)
    return pytest_summary(lines)


def junit(report: Path) -> str:
    """pytest's options to write a report that names the files of tests."""
    return f"--junitxml={report} -o junit_family=xunit1"


def skipped_files(report: Path) -> list[str]:
    """The files with tests that were skipped for want of a package of the extra `references`."""
    found = []
    for test in ElementTree.parse(report).iter("testcase"):
        for skipped in test.iter("skipped"):
            reason = f"{skipped.get('message')} {skipped.text}"
            if re.search(r"torch|onnx|flax|keras|\bjax", reason, re.IGNORECASE):
                found.append(str(test.get("file")))
    return sorted(set(found))


def with_lowest_versions(clone: Path, use: str) -> None:
    """The README's first command, and what reads LaTeX, with the oldest dependencies allowed."""
    pins = lowest_versions(clone)
    constraints = clone.parent / "lowest.txt"
    constraints.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
    step("env", f"PIP_CONSTRAINT={constraints}", "sh", "-c", use, cwd=clone)
    inside = clone / ".venv" / "bin"
    listed = output(str(inside / "pip"), "list", "--format=json", cwd=clone)
    installed = {package["name"].lower(): package["version"] for package in json.loads(listed)}
    for name, version in pins.items():
        found = installed.get(name, "nothing")
        if found != version and not re.fullmatch(rf"{re.escape(version)}(\.0)*", found):
            raise LookupError(f"{name} {version} was to be installed, and {found} is")
    text = clone.parent / "peephole.tex"
    read = f"bin/lstmgen latex peephole --forward > {text} && bin/lstmgen show {text}"
    step("sh", "-c", read, cwd=clone / ".venv")
    unchanged(clone)


def lowest_versions(clone: Path) -> dict[str, str]:
    """By package the lowest version that pyproject.toml admits."""
    project = tomllib.loads((clone / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = {}
    for requirement in project["dependencies"]:
        bound = re.fullmatch(r"([\w-]+)>=([\d.]+)(?:,<[\d.]+)?", requirement)
        if bound is None:
            raise LookupError(f"pyproject.toml: {requirement!r} has no lowest version")
        found[bound[1].lower()] = bound[2]
    return found


def setup_command(clone: Path, name: str) -> str:
    """The command of README.md's block after the line `<!-- setup: name -->`."""
    text = (clone / "README.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- setup: {name} -->\s*```\w*\n(.+?)\n```", text, re.DOTALL)
    if found is None:
        raise LookupError(f"README.md has no block marked <!-- setup: {name} -->")
    return found[1]


def step(*command: str, cwd: Path) -> list[str]:
    """Run a command, show what it prints as it comes, and return the lines."""
    shown = shlex.join(command)
    print(f"\n==> {shown}", flush=True)
    started = time.monotonic()
    lines: list[str] = []
    with subprocess.Popen(
        command,
        cwd=cwd,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip("\n"))
    if process.returncode:
        print("\n".join(["", "the end of its output:", *lines[-40:]]), flush=True)
        raise subprocess.CalledProcessError(process.returncode, shown)
    print(f"<== {time.monotonic() - started:.0f} s", flush=True)
    return lines


def environment() -> dict[str, str]:
    """This environment without what would lead out of the fresh ones."""
    outside = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    return {**{k: v for k, v in os.environ.items() if k not in outside}, "CI": "true"}


def unchanged(clone: Path) -> None:
    """The commands leave every tracked file as it was, and nothing besides what git ignores."""
    changed = output("git", "status", "--porcelain", cwd=clone)
    if changed:
        raise LookupError(f"the command changed the clone:\n{changed}")


def pytest_summary(lines: list[str]) -> str:
    """pytest's last line, `==== 500 passed in 60.00s ====`."""
    for line in reversed(lines):
        if re.search(r"\d+ passed.* in [\d.]+s", line):
            return line.strip("= ")
    raise LookupError("pytest ended without a summary")


def output(*command: str, cwd: Path) -> str:
    """What a short command prints."""
    return subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, text=True, check=True).stdout


def fail(reason: str) -> int:
    """Say loudly why."""
    print(f"\nFAILED: {reason}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
