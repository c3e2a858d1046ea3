"""Cells in the notations that are in use: each text beside the same cell declared in Python.

`corpus/read` holds texts that can be read in one way only; what is right is in the `.py` of the
same name.  `corpus/ask` holds texts that leave something open, and in `expected.tsv` what must be
said of them.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lstmgen import load
from lstmgen.errors import EquationError
from lstmgen.library.texts import read_tex
from lstmgen.show.comparing import compare

CORPUS = Path(__file__).with_name("corpus")
TEXTS = sorted(p for p in (CORPUS / "read").iterdir() if p.suffix != ".py" and p.is_file())
ROWS = [
    row.split("\t")
    for row in (CORPUS / "ask" / "expected.tsv").read_text(encoding="utf-8").splitlines()[1:]
]


def shapes(path: Path) -> list[tuple[str, ...]]:
    return sorted(load(path).parameters.values())


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: p.name)
def test_a_text_is_read_as_it_is_meant(path: Path) -> None:
    found = load(path)
    meant = load(path.with_suffix(".py"))
    comparison = compare(meant, found)
    assert comparison.same, str(comparison)
    assert shapes(path) == shapes(path.with_suffix(".py"))
    assert found.reading is not None
    repeated = read_tex(found.reading.written_out, name=found.name, strict=True)
    assert repeated.digest == found.digest, found.reading.written_out


def test_the_comparison_can_fail() -> None:
    one, other = (load(CORPUS / "read" / f"{name}.py") for name in ("primes", "any_order"))
    assert not compare(one, other).same


@pytest.mark.parametrize(("file", "message"), ROWS, ids=[row[0] for row in ROWS])
def test_what_is_open_is_asked_or_refused(file: str, message: str) -> None:
    path = CORPUS / "ask" / file
    with pytest.raises(EquationError) as caught:
        load(path)
    first = str(caught.value).splitlines()[0]
    assert re.search(message, first.replace(str(path), "")), first
    assert re.match(rf"{re.escape(str(path))}:\d+:\d+: ", first)


def test_every_text_of_the_corpus_is_expected() -> None:
    asked = {p.name for p in (CORPUS / "ask").iterdir()} - {"expected.tsv"}
    assert asked == {row[0] for row in ROWS}
