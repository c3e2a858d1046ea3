"""Verification catches mistakes in the C text of modules; `python -m tests.mutants` makes more."""

from __future__ import annotations

import os

import pytest

import lstmgen
from lstmgen.targets import get
from lstmgen.targets.c import compiler
from lstmgen.targets.rendering import files
from tests.mutants.running import Trial, used_functions
from tests.mutants.tokens import TokenMutant, c_mutants, dropped_statements

MANY = int(os.environ.get("LSTMGEN_MUTANTS", "0"))
"""How many of each cell are verified; by default few of one (CONTRIBUTING.md)."""
CELLS = ("rnn", "lstm", "gru") if MANY else ("rnn",)
SEED = 4


def text_of(name: str) -> tuple[str, str]:
    """The C file of a cell's module, and its text."""
    file, text = list(files(lstmgen.load(name), get("c")).items())[-1]
    return file, text


@pytest.mark.skipif(compiler.command() is None, reason="no C compiler; " + compiler.CURE)
@pytest.mark.parametrize("name", CELLS)
def test_every_mutant_that_changes_a_number_is_caught(name: str) -> None:
    file, text = text_of(name)
    trial = Trial(name, "c")
    chosen = c_mutants(text, MANY or 3, SEED, used_functions(text))
    assert any("dropped" in mutant.change for mutant in chosen)
    verdicts = {mutant.change: trial.verdict(file, mutant) for mutant in chosen}
    assert "survived" not in verdicts.values(), verdicts
    assert list(verdicts.values()).count("caught") >= len(chosen) // 2, verdicts


def test_dropped_statements_are_assignments_and_calls_of_what_is_used() -> None:
    text = """
static int used(int n)
{
    int a[3] = {0}, b = n;  // a[0] = 1;
    if (n > 2)
        a[0] = n * (n + 1);
    else
        b += 2;
    for (int k = 0; k < 3; k++) {
        a[k]++;
        put(&b, "c = 1;");
    }
    KEEP(b);
    return b;
}
static int other(void) { return other = 1; }
int NAME(all)(int n) { return used(n); }
"""
    made = dropped_statements(text, 99, 1, used_functions(text))
    found = sorted(mutant.change.partition("dropped: ")[2] for mutant in made)
    assert found == ["a[0] = n * (n + 1);", "a[k]++;", "b += 2;", 'put(&b, "c = 1;");']
    assert [m for m in made if "a[0] = n *" in m.change] == [
        TokenMutant(
            "line 6: dropped: a[0] = n * (n + 1);", text.replace("a[0] = n * (n + 1);", ";")
        )
    ]


def test_a_quarter_of_the_mutants_drops_a_statement() -> None:
    _, text = text_of("lstm")
    made = c_mutants(text, 20, SEED, used_functions(text))
    assert len({mutant.text for mutant in made} - {text}) == 20
    assert sum("dropped: " in mutant.change for mutant in made) == 5
    assert made == c_mutants(text, 20, SEED, used_functions(text))
