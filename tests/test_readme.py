"""The README is true: its commands and programs are run, and print what it says they print.

A block marked `<!-- file: name -->` is a file of that name.  In a block of the kind `console` a
line `$ command` is run, all in one folder, and what follows is its output; a line `...` stands for
any lines.  Errors that depend on the machine's arithmetic are compared by their form alone.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>\w+): (?P<name>\S+) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    mark: str | None
    name: str | None
    kind: str
    text: str


BLOCKS = [Block(**m.groupdict()) for m in _BLOCK.finditer(README)]  # type: ignore[arg-type]
_NUMBER = re.compile(r"\b\d\.\de[+-]\d+\b")


def examples() -> list[tuple[str, list[str]]]:
    """Each command with the lines it prints."""
    found: list[tuple[str, list[str]]] = []
    for block in BLOCKS:
        if block.kind == "console":
            for line in block.text.splitlines():
                if line.startswith("$ "):
                    found.append((line[2:], []))
                else:
                    found[-1][1].append(line)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the README, after all of its commands have run."""
    place = tmp_path_factory.mktemp("readme")
    for block in BLOCKS:
        if block.mark == "file":
            (place / str(block.name)).write_text(block.text, encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def printed(folder: Path) -> list[tuple[str, list[str], list[str]]]:
    """Each command, what the README says it prints, and what it prints."""
    found = []
    for command, said in examples():
        program, *arguments = shlex.split(command)
        assert program == "lstmgen", command
        done = subprocess.run(
            [sys.executable, "-m", "lstmgen", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        found.append((command, said, done.stdout.rstrip("\n").split("\n")))
    return found


def matches(said: list[str], shown: list[str]) -> bool:
    """Whether the lines are the same, where `...` stands for any number of lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "..." else re.escape(comparable(line)) + r"\n" for line in said
    )
    return re.fullmatch(pattern, "".join(comparable(line) + "\n" for line in shown)) is not None


def comparable(line: str) -> str:
    """A line without the sizes of errors, and without the width that they give to columns."""
    masked = _NUMBER.sub("#", line.rstrip())
    return re.sub(r"(?<=\S) {2,}", "  ", re.sub(r"-{9,}", "---------", masked))


def test_every_output_in_the_readme_is_what_the_command_prints(
    printed: list[tuple[str, list[str], list[str]]],
) -> None:
    for command, said, shown in printed:
        assert matches(said, shown), f"$ {command}\n" + "\n".join(shown)


def test_the_readme_shows_build_latex_and_verify() -> None:
    commands = [command for command, _ in examples()]
    assert "lstmgen build peephole --target numpy" in commands
    assert "lstmgen verify peephole" in commands
    assert any(command.startswith("lstmgen latex peephole") for command in commands)
    assert all(said for _, said in examples()), "every command is followed by its output"


def test_the_comparison_can_fail() -> None:
    said = ["a", "...", "ok 1.0e-17  1e-12"]
    assert matches(said, ["a", "b", "c", "ok 2.5e-16  1e-12"])
    assert matches(said, ["a", "ok 2.5e-16   1e-12"])
    assert not matches(said, ["a", "b", "FAILED 2.5e-16  1e-12"])
    assert not matches(said, ["b", "ok 1.0e-17  1e-12"])
    assert not matches(said, ["a", "b", "ok 2.5e-16  1e-12", "more"])


def test_the_python_example_runs(
    folder: Path, printed: list[tuple[str, list[str], list[str]]]
) -> None:
    programs = [b.text for b in BLOCKS if b.kind == "python" and b.mark is None]
    assert programs
    for program in programs:
        subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=folder, check=True)


def test_the_set_up_commands_are_single_lines() -> None:
    setup = {b.name: b.text.rstrip("\n") for b in BLOCKS if b.mark == "setup"}
    start = "python3 -m venv .venv && . .venv/bin/activate && pip install "
    assert setup == {
        "use": start + ". && lstmgen build peephole --target numpy && lstmgen verify peephole",
        "test": start + "'.[test]' && pytest",
    }


def test_every_command_and_option_in_the_table_exists() -> None:
    from lstmgen.cli import commands

    rows = re.findall(r"^\| `lstmgen (\w+)(.*?)` \|", README, re.MULTILINE)
    assert {name for name, _ in rows} == set(commands.commands)
    for name, rest in rows:
        known = {o for p in commands.commands[name].params for o in (*p.opts, *p.secondary_opts)}
        assert set(re.findall(r"(?<![\w-])--?[a-z]+", rest)) <= known, name


def test_extras_and_links_of_the_readme_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(re.findall(r"'\.\[([\w-]+)\]'", README)) <= set(project["optional-dependencies"])
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target
