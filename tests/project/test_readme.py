"""The README and the pages of docs/ are true: what they show is run, and prints what they say.

A block marked `<!-- file: name -->` is a file of that name.  In a block of the kind `console` a
line `$ command` is run, all of a page in one folder, and what follows is its output; a line `...`
stands for any lines.  Errors that depend on the machine's arithmetic are compared by their form
alone.  Unmarked programs in Python run after the commands, in the same folder.

A console block marked `<!-- measured: date -->` shows runs of examples/ that take minutes.  Such a
command is run with its own options but at a small size, and must print lines of the same form.
"""

from __future__ import annotations

import contextlib
import io
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

from benchmarks.readme import PLACES, figures
from lstmgen.cli.root import commands, main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = (
    "README.md",
    *(f"docs/{p}.md" for p in "declaring equations examples modules verifying".split()),
)
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


def blocks(page: str) -> list[Block]:
    """What stands between fences on a page, which is named by its path from the root."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [Block(**m.groupdict()) for m in _BLOCK.finditer(text)]  # type: ignore[arg-type]


_NUMBER = re.compile(r"\b\d\.\de[+-]\d+\b")
_FLOW = "lstmgen flow"  # takes seconds, and has a test of its own


def examples(page: str, measured: bool = False) -> list[tuple[str, list[str]]]:
    """Each command with the lines it prints; those that are run as they are, or the long ones."""
    found: list[tuple[str, list[str]]] = []
    for block in blocks(page):
        if block.kind == "console" and (block.mark == "measured") == measured:
            for line in block.text.splitlines():
                if line.startswith("$ "):
                    found.append((line[2:], []))
                else:
                    found[-1][1].append(line)
    return found


def printed(command: str) -> list[str]:
    """What a command prints, on standard output and standard error together."""
    program, *arguments = shlex.split(command)
    assert program == "lstmgen", command
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown):
        main(arguments)
    return shown.getvalue().rstrip("\n").split("\n")


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


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_what_its_commands_print_and_its_programs_run(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for block in blocks(page):
        if block.mark == "file":
            Path(str(block.name)).write_text(block.text, encoding="utf-8")
    for command, said in examples(page):
        assert said, f"{command} is followed by its output"
        if not command.startswith(_FLOW):
            shown = printed(command)
            assert matches(said, shown), f"$ {command}\n" + "\n".join(shown)
    for block in blocks(page):
        if block.kind == "python" and block.mark is None:
            subprocess.run([sys.executable, "-W", "error", "-c", block.text], check=True)


def test_the_readme_shows_build_latex_and_verify() -> None:
    shown = [command for command, _ in examples("README.md")]
    assert "lstmgen build peephole --target numpy" in shown
    assert "lstmgen verify peephole" in shown
    assert any(command.startswith("lstmgen latex peephole") for command in shown)
    assert any(b.kind == "python" and b.mark is None for b in blocks("README.md"))


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


def test_what_is_said_of_gradient_norms_is_what_the_command_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lstmgen import load
    from lstmgen.show.flow import Settings, measure

    monkeypatch.chdir(tmp_path)
    ((command, said),) = [e for e in examples("docs/equations.md") if e[0].startswith(_FLOW)]
    shown = printed(command)
    assert matches(said, shown), "\n".join(shown)
    table, measured = rows(said), rows(shown)
    assert list(table) == list(measured) and len(table) == 4
    for key, norms in table.items():
        assert norms == pytest.approx(measured[key], rel=0.06), key  # two digits, rounded

    kept = (ROOT / "docs" / "flow.svg").read_text(encoding="utf-8")
    drawn = Path("flow.svg").read_text(encoding="utf-8")
    number = re.compile(r"-?\d+\.\d")
    where, there = (re.sub(r"area-\w+", "", number.sub("#", text)) for text in (kept, drawn))
    assert where == there
    places, now = ([float(v) for v in number.findall(text)] for text in (kept, drawn))
    assert places == pytest.approx(now, abs=1)  # pixels

    rnn, lstm = table["rnn", "h"], table["lstm, b_f = 1", "C"]
    after = {k: n for n, k in enumerate((1, 2, 5, 10, 20, 50, 100))}
    assert 1e-6 < rnn[after[20]] < 1e-5
    assert lstm[after[50]] / rnn[after[50]] > 1e9
    *_, curve = measure([load("lstm")], Settings(seeds=2), forget_bias=(3.0,)).curves
    assert curve.state == "C" and curve.median[-1] > curve.median[0]


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
    runs = examples("docs/examples.md", measured=True)
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


def test_what_is_said_of_long_runs() -> None:
    (_, language), (_, memory) = examples("docs/examples.md", measured=True)
    bits = {
        m[1]: float(m[2]) for m in (re.fullmatch(r"  (\w+) +([\d.]+)", s) for s in language) if m
    }
    assert bits["lstm"] < bits["bigram"] < bits["unigram"]
    counts = re.findall(r"^  (\w+) +(\d) of 5 seeds solved it", "\n".join(memory), re.MULTILINE)
    assert [(cell, int(count) > 2) for cell, count in counts] == [
        ("rnn", False), ("lstm", True), ("gru", False),  # adding
        ("rnn", False), ("lstm", True), ("gru", True),  # copy
    ]  # fmt: skip


@pytest.mark.parametrize("page", PLACES)
def test_the_figures_of_speed_are_those_of_the_measured_run(page: str) -> None:
    path, said = figures((ROOT / page).read_text(encoding="utf-8"))
    run = json.loads((ROOT / path).read_text(encoding="utf-8"))
    assert said == PLACES[page](run) and not run["quick"]


def test_the_set_up_commands_are_single_lines() -> None:
    setup = {b.name: b.text.rstrip("\n") for b in blocks("README.md") if b.mark == "setup"}
    start = "python3 -m venv .venv && . .venv/bin/activate && pip install "
    assert setup == {
        "use": start + ". && lstmgen build peephole --target numpy && lstmgen verify peephole",
        "test": start + "'.[test]' && pytest",
    }


def test_every_command_and_option_in_the_table_exists() -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `lstmgen (\w+)(.*?)` \|", page, re.MULTILINE)
    assert {name for name, _ in table} == set(commands.commands)
    for name, rest in table:
        command = commands.commands[name]
        options = command.get_params(click.Context(command))  # those of targets too
        known = {o for p in options for o in (*p.opts, *p.secondary_opts)}
        assert set(re.findall(r"(?<![\w-])--?[a-z]+", rest)) <= known, name


def test_extras_of_the_readme_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(re.findall(r"'\.\[([\w-]+)\]'", README)) <= set(project["optional-dependencies"])


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "CONTRIBUTING.md",
        *sorted(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md")),
    ],
)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)]+)\)", re.sub(r"`[^`]*`", "", text)):
        assert target.startswith("https://") or ((ROOT / page).parent / target).exists(), target


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 275  # what is longer goes to docs/
