"""The README is true: its commands and programs are run, and print what it says they print.

A block marked `<!-- file: name -->` is a file of that name.  In a block of the kind `console` a
line `$ command` is run, all in one folder, and what follows is its output; a line `...` stands for
any lines.  Errors that depend on the machine's arithmetic are compared by their form alone.

A console block marked `<!-- measured: date -->` shows runs of examples/ that take minutes.  Such a
command is run with its own options but at a small size, and must print lines of the same form.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from benchmarks.cpu_parts import summary
from benchmarks.readme import figures

ROOT = Path(__file__).parents[2]
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


def examples(measured: bool = False) -> list[tuple[str, list[str]]]:
    """Each command with the lines it prints; those that are run as they are, or the long ones."""
    found: list[tuple[str, list[str]]] = []
    for block in BLOCKS:
        if block.kind == "console" and (block.mark == "measured") == measured:
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


# The figures ------------------------------------------------------------------------------------


def rows(lines: list[str]) -> dict[tuple[str, str], list[float]]:
    """Of a table of `lstmgen flow`: cell and state, and the norms."""
    found = {}
    for line in lines:
        row = re.fullmatch(r"(\S.*?) {2,}(\w+)((?: +\d\.\de[+-]\d+)+) +[\d.]+", line)
        if row:
            found[row[1], row[2]] = [float(v) for v in row[3].split()]
    return found


def test_the_table_of_gradient_norms_and_its_figure_are_those_of_the_command(
    folder: Path, printed: list[tuple[str, list[str], list[str]]]
) -> None:
    ((_, said, shown),) = [run for run in printed if run[0].startswith("lstmgen flow")]
    table, measured = rows(said), rows(shown)
    assert list(table) == list(measured) and len(table) == 4
    for key, norms in table.items():
        assert norms == pytest.approx(measured[key], rel=0.06), key  # two digits, rounded
    kept = (ROOT / "docs" / "flow.svg").read_text(encoding="utf-8")
    drawn = (folder / "flow.svg").read_text(encoding="utf-8")
    number = re.compile(r"-?\d+\.\d")
    where, there = (re.sub(r"area-\w+", "", number.sub("#", text)) for text in (kept, drawn))
    assert where == there
    places, now = ([float(v) for v in number.findall(text)] for text in (kept, drawn))
    assert places == pytest.approx(now, abs=1)  # pixels


def test_what_the_readme_says_of_gradients(
    printed: list[tuple[str, list[str], list[str]]],
) -> None:
    from lstmgen import load
    from lstmgen.show.flow import Settings, measure

    ((_, said, _),) = [run for run in printed if run[0].startswith("lstmgen flow")]
    norms = rows(said)
    rnn, lstm = norms["rnn", "h"], norms["lstm, b_f = 1", "C"]
    after = {k: n for n, k in enumerate((1, 2, 5, 10, 20, 50, 100))}
    assert 1e-6 < rnn[after[20]] < 1e-5
    assert lstm[after[50]] / rnn[after[50]] > 1e9
    *_, kept = measure([load("lstm")], Settings(seeds=2), forget_bias=(3.0,)).curves
    assert kept.state == "C" and kept.median[-1] > kept.median[0]


# The examples -----------------------------------------------------------------------------------

SMALL = {
    "examples/char_lm.py": "--steps 2 --hidden 8 --batch 4 --chunk 8 --sample 0",
    "examples/long_memory.py": "--updates 1 --hidden 4 --batch 2",
}


def form(line: str) -> str:
    """A line without numbers and verdicts, and without the width that they give to columns."""
    line = re.sub(r"(?:in \d+|after \d+(?: to \d+)?) updates", "DONE", line)
    line = re.sub(r"\d[\d,]*(?:\.\d+)?", "#", line)
    return re.sub(r" +", " ", line)


def test_long_runs_are_of_programs_that_print_such_lines(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("Of arms and the man, and of much else besides.\n" * 20, encoding="utf-8")
    runs = examples(measured=True)
    assert [shlex.split(command)[2] for command, _ in runs] == list(SMALL)
    for command, said in runs:
        setting, _, program, *given = shlex.split(command)
        files = [str(text) if not g.startswith("-") and "/" in g else g for g in given]
        done = subprocess.run(
            [sys.executable, str(ROOT / program), *files, *SMALL[program].split()],
            cwd=tmp_path,
            env={**os.environ, **dict([setting.split("=")])},
            stdout=subprocess.PIPE,
            encoding="utf-8",
            check=True,
        )
        pattern = "".join(
            r"(?:.*\n)*?" if line == "..." else re.escape(form(line)) + r"\n" for line in said
        )
        shown = "".join(form(line) + "\n" for line in done.stdout.splitlines())
        assert re.fullmatch(pattern, shown), done.stdout


def test_what_the_readme_says_of_long_runs() -> None:
    (_, language), (_, memory) = examples(measured=True)
    bits = {
        m[1]: float(m[2]) for m in (re.fullmatch(r"  (\w+) +([\d.]+)", s) for s in language) if m
    }
    assert bits["lstm"] < bits["bigram"] < bits["unigram"]
    counts = re.findall(r"^  (\w+) +(\d) of 5 seeds solved it", "\n".join(memory), re.MULTILINE)
    assert [(cell, int(count) > 2) for cell, count in counts] == [
        ("rnn", False), ("lstm", True), ("gru", False),  # adding
        ("rnn", False), ("lstm", True), ("gru", True),  # copy
    ]  # fmt: skip


def test_the_python_example_runs(
    folder: Path, printed: list[tuple[str, list[str], list[str]]]
) -> None:
    programs = [b.text for b in BLOCKS if b.kind == "python" and b.mark is None]
    assert programs
    for program in programs:
        subprocess.run([sys.executable, "-W", "error", "-c", program], cwd=folder, check=True)


def test_the_figures_of_speed_are_those_of_the_measured_run() -> None:
    path, said = figures(README)
    run = json.loads((ROOT / path).read_text(encoding="utf-8"))
    assert said == summary.block(run) and not run["quick"]


def test_the_set_up_commands_are_single_lines() -> None:
    setup = {b.name: b.text.rstrip("\n") for b in BLOCKS if b.mark == "setup"}
    start = "python3 -m venv .venv && . .venv/bin/activate && pip install "
    assert setup == {
        "use": start + ". && lstmgen build peephole --target numpy && lstmgen verify peephole",
        "test": start + "'.[test]' && pytest",
    }


def test_every_command_and_option_in_the_table_exists() -> None:
    from lstmgen.cli.root import commands

    rows = re.findall(r"^\| `lstmgen (\w+)(.*?)` \|", README, re.MULTILINE)
    assert {name for name, _ in rows} == set(commands.commands)
    for name, rest in rows:
        command = commands.commands[name]
        options = command.get_params(click.Context(command))  # those of targets too
        known = {o for p in options for o in (*p.opts, *p.secondary_opts)}
        assert set(re.findall(r"(?<![\w-])--?[a-z]+", rest)) <= known, name


def test_extras_and_links_of_the_readme_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(re.findall(r"'\.\[([\w-]+)\]'", README)) <= set(project["optional-dependencies"])
    for target in re.findall(r"\]\(([^)]+)\)", README):
        assert target.startswith("https://") or (ROOT / target).exists(), target
