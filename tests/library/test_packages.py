"""Cells of installed packages, by entry points; a broken one is reported and does no harm."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lstmgen.cli.root import main
from lstmgen.errors import EquationError, UsageError
from lstmgen.library.files import built_in_names
from lstmgen.library.loading import load, names
from lstmgen.library.packages import find

CELL = '''\
"""A cell of a package.

Year: 2031
Source: A. Person, B. Body, "The Cell", Journal, 2031.
"""
from lstmgen import Cell, Eq, symbols, t, tanh

h, x, W = symbols("h x W")
print("hello")
'''
ONE = "{name} = Cell({name!r}, Eq(h[t], tanh(W @ [h[t-1], x[t]])))\n"
TEX = r"h_t = \tanh(W x_t + p \odot h_{t-1})"

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a package: its entry points, as lines, and its files."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def installed(package: str, entries: str, **files: str) -> Path:
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[lstmgen.cells]\n{entries}\n")
        for name, text in files.items():
            stem, _, suffix = name.rpartition("_")
            (tmp_path / f"{stem}.{suffix}").write_text(text)
        return tmp_path

    yield installed  # type: ignore[misc]
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", None)):
            del sys.modules[name]


def test_cells_functions_modules_and_paths(install: Install) -> None:
    install(
        "acme",
        "acme_cell = acme_cells:acme_cell\n"
        "acme_made = acme_cells:make\n"
        "acme_module = acme_module\n"
        "acme_text = acme_cells:TEXT\n"
        "acme_file = acme_cells:file",
        acme_cells_py=CELL
        + ONE.format(name="acme_cell")
        + "def make():\n    return Cell('acme_made', acme_cell.equations[0])\n"
        + "from pathlib import Path\n"
        + "TEXT = 'acme_text.tex'\n"
        + "def file():\n    return Path(__file__).with_name('acme_file.py')\n",
        acme_module_py=CELL + ONE.format(name="acme_module"),
        acme_text_tex=TEX,
        acme_file_py=CELL + ONE.format(name="acme_file"),
    )
    mine = ["acme_cell", "acme_file", "acme_made", "acme_module", "acme_text"]
    assert [name for name in names() if name not in built_in_names()] == mine
    assert "acme_cells" not in sys.modules, "names() imports nothing"
    for name in mine:
        assert load(name).name == name
    assert load("acme_text").parameters == {"W": ("H", "D"), "p": ("H",)}


def test_list_show_and_build_know_them(
    install: Install, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = install("acme", "acme = acme_one:acme", acme_one_py=CELL + ONE.format(name="acme"))
    monkeypatch.chdir(folder)
    assert main(["list"]) == 0
    out, err = capsys.readouterr()
    # The module's own docstring is not the cell's, which has none of its own.
    heading = out.index("From acme\n")
    assert out.index("Differential\n") < heading
    assert out[heading:].splitlines()[1].split()[0] == "acme"
    assert err == "hello\n"
    assert main(["show", "acme"]) == 0
    assert capsys.readouterr().out.startswith("acme\n\nEquations\n  (1) h[t] = tanh(")
    assert main(["build", "acme", "--target", "numpy", "-o", "out"]) == 0
    assert (folder / "out" / "acme_numpy.py").exists()


def test_a_modules_docstring_tells_the_paper(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("acme", "acme = acme_doc", acme_doc_py=CELL + ONE.format(name="acme"))
    assert main(["list"]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.split() == "acme Person & Body 2031 A cell of a package.".split()


@pytest.mark.parametrize(
    ("entry", "code", "problem"),
    [
        ("bad = no_such_module_here:cell", "", "ModuleNotFoundError"),
        ("bad = bad_cells:missing", "", "AttributeError"),
        ("bad = bad_cells:number", "number = 3\n", "is no cell, module or path, but int"),
        ("bad = bad_cells:fails", "def fails():\n    1 / 0\n", "ZeroDivisionError"),
        ("bad = bad_cells", "raise SystemExit(3)\n", "SystemExit: 3"),
        ("bad = bad_cells", "def f(:\n", "SyntaxError"),
        ("bad = bad_cells", "x = 1\n", "declares no cell"),
        ("bad = bad_cells:path", "path = 'nothing.tex'\n", "there is no file"),
        ("bad = bad_cells", CELL + ONE.format(name="other"), "is called other"),
        ("bad = bad_cells", CELL + "Cell('bad', Eq(h[t], h[t-2]))\n", "other than t or t-1"),
    ],
)
def test_a_broken_one_is_reported_and_does_no_harm(
    install: Install, capsys: pytest.CaptureFixture[str], entry: str, code: str, problem: str
) -> None:
    install(
        "broken",
        f"{entry}\ngood = good_cells:good",
        bad_cells_py=code,
        good_cells_py=CELL + ONE.format(name="good"),
    )
    assert main(["list"]) == 0
    out, err = capsys.readouterr()
    assert "the cell bad of the package broken" in err
    assert problem in err
    assert "Traceback" not in err
    assert out.endswith("From broken\n  good\n")
    assert load("lstm").name == "lstm"
    assert load("good").name == "good"
    with pytest.raises(EquationError, match="the cell bad of the package broken"):
        load("bad")
    assert main(["show", "bad"]) == EquationError.exit_code


def test_a_built_in_cell_cannot_be_replaced(
    install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("thief", "lstm = thief_cells:lstm", thief_cells_py="raise RuntimeError\n")
    assert load("lstm").parameters["W_f"] == ("H", "H+D")
    assert main(["list"]) == 0
    assert capsys.readouterr().err == (
        "lstmgen: the cell lstm of the package thief is left out: lstm is built in\n"
    )


def test_two_packages_with_the_same_name_and_names_that_are_none(install: Install) -> None:
    install("one", "same = one_cells:same\nno-name = one_cells:same", one_cells_py="")
    install("two", "same = two_cells:same", two_cells_py="")
    found = find()
    assert not found.offers
    assert found.problems == (
        "the cell 'no-name' of the package one is left out: it is no name",
        "the cell same is left out: the packages one and two both offer one",
    )
    with pytest.raises(UsageError, match="no cell 'same'"):
        load("same")


def test_entry_points_that_cannot_be_read(install: Install) -> None:
    folder = install("good", "good = good_cells:good", good_cells_py=CELL + ONE.format(name="good"))
    install("ruined", "this line has no equals sign")
    found = find()
    assert list(found.offers) == ["good"]
    assert len(found.problems) == 1
    assert "ruined-1.0.dist-info" in found.problems[0]
    assert str(folder) in found.problems[0]


def test_an_unknown_name_tells_what_packages_offer(install: Install) -> None:
    install("acme", "acme_gru = acme_cells:cell", acme_cells_py="")
    with pytest.raises(UsageError, match=r"did you mean acme_gru\?.*; packages offer acme_gru; "):
        load("acme_gruu")


def test_list_without_packages_does_not_load_a_cell() -> None:
    program = (
        "import sys\n"
        "from lstmgen.cli.root import main\n"
        "assert main(['list']) == 0\n"
        "assert not {'sympy', 'numpy', 'lstmgen.cell'} & set(sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
