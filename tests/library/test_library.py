"""Built-in cells by name, cells from files, and what goes wrong with either."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import lstmgen
from lstmgen.errors import EquationError, UsageError
from lstmgen.library.loading import load, names, summary

DECLARATION = '''\
"""A cell for a test.

Source: nobody's paper.
"""

from lstmgen import Cell, Eq, symbols, t, tanh

h, x, W, b = symbols("h x W b")

{name} = Cell("{cell}", Eq(h[t], tanh(W @ [h[t-1], x[t]] + b)){rest})
'''


def declare(path: Path, name: str = "mine", cell: str = "mine", rest: str = "") -> Path:
    path.write_text(DECLARATION.format(name=name, cell=cell, rest=rest))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(EquationError) as caught:
        load(path)
    return str(caught.value)


def test_the_cells_of_the_post_are_built_in() -> None:
    wanted = {"rnn", "lstm", "peephole", "coupled", "gru", "gru_reset_after"}
    assert wanted <= set(names())
    assert list(names()) == sorted(names())


@pytest.mark.parametrize("name", names())
def test_a_built_in_cell_loads_under_its_name_and_has_its_source(name: str) -> None:
    cell = load(name)
    assert cell.name == name
    assert "Source:" in cell.source
    assert cell.source.splitlines()[0] == summary(name)
    assert cell is load(name)


def test_load_is_what_the_package_offers() -> None:
    assert lstmgen.load("lstm").name == "lstm"


@pytest.mark.parametrize(
    ("name", "suggestion"), [("lsmt", "lstm"), ("Peephole", "peephole"), ("gru_after", "gru")]
)
def test_an_unknown_name_suggests_the_closest(name: str, suggestion: str) -> None:
    with pytest.raises(UsageError, match=rf"no cell '{name}'; did you mean {suggestion}"):
        load(name)


def test_a_name_like_no_other_gets_no_suggestion() -> None:
    with pytest.raises(UsageError) as caught:
        load("zzzz")
    assert "did you mean" not in str(caught.value)
    assert "peephole" in str(caught.value)


def test_summary_of_an_unknown_name() -> None:
    with pytest.raises(UsageError, match="no cell 'nothing'"):
        summary("nothing")


def test_a_file_declares_a_cell(tmp_path: Path) -> None:
    path = declare(tmp_path / "any-name at all.py")
    cell = load(path)
    assert cell.name == "mine"
    assert cell.source == "A cell for a test.\n\nSource: nobody's paper."
    assert load(str(path)) is not cell, "each load runs the file anew"


def test_a_source_that_the_file_gives_is_kept(tmp_path: Path) -> None:
    path = declare(tmp_path / "a.py", rest=', source="Mine, 2026"')
    assert load(path).source == "Mine, 2026"


def test_loading_leaves_no_trace(tmp_path: Path) -> None:
    (tmp_path / "neighbour_of_a_cell.py").write_text("WIDTH = 3\n")
    path = declare(tmp_path / "a.py")
    path.write_text("import neighbour_of_a_cell\n" + path.read_text())
    modules, folders = set(sys.modules), list(sys.path)
    load(path)
    assert set(sys.modules) - modules == {"neighbour_of_a_cell"}
    assert sys.path == folders
    assert not list(tmp_path.glob("__pycache__/a.*"))
    del sys.modules["neighbour_of_a_cell"]


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = declare(tmp_path / "a.py", cell="first")
    assert load(path).name == "first"
    declare(path, cell="other")
    assert load(path).name == "other"


def test_the_file_is_a_module_with_a_spec(tmp_path: Path) -> None:
    path = declare(tmp_path / "a.py")
    checks = """
import sys
from dataclasses import dataclass
assert __spec__.origin == __file__, (__spec__, __file__)
assert sys.modules[__name__].__spec__ is __spec__
@dataclass
class Needs_its_module:
    a: int = 0
"""
    path.write_text(path.read_text() + checks)
    assert load(path).name == "mine"


@pytest.mark.parametrize(
    ("file", "chosen"),
    [("two.py", "two"), ("other.py", "second")],
    ids=["like the file", "the variable cell"],
)
def test_of_several_cells_the_marked_one(tmp_path: Path, file: str, chosen: str) -> None:
    path = declare(tmp_path / file, name="one", cell="one")
    second = {
        "two": 'two = Cell("two", Eq(h[t], h[t-1] + x[t]))\n',
        "second": 'cell = Cell("second", Eq(h[t], h[t-1] + x[t]))\n',
    }[chosen]
    path.write_text(path.read_text() + second)
    assert load(path).name == chosen


def test_several_cells_without_a_mark(tmp_path: Path) -> None:
    path = declare(tmp_path / "a.py", name="one", cell="one")
    path.write_text(path.read_text() + 'two = Cell("two", Eq(h[t], h[t-1] + x[t]))\n')
    message = refusal(path)
    assert "declares 2 cells (one, two)" in message
    assert "`cell`" in message


def test_one_cell_under_two_names_is_one_cell(tmp_path: Path) -> None:
    path = declare(tmp_path / "a.py")
    path.write_text(path.read_text() + "another_name = mine\n")
    assert load(path).name == "mine"


def test_no_cell(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("x = 1\n")
    assert "declares no cell" in refusal(path)


def test_a_syntax_error_has_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("x = 1\n\n    y = (2\n")
    message = refusal(path)
    assert message.startswith(f"{path}:3: unexpected indent")


def test_a_syntax_error_shows_the_line_with_a_caret(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text("if True:\n    x = 1 +* 2\n")
    first, line, caret = refusal(path).splitlines()
    assert first.startswith(f"{path}:2: ")
    assert line.strip() == "x = 1 +* 2"
    assert line[caret.index("^")] == "*"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("import no_such_module_at_all", "No module named 'no_such_module_at_all'"),
        ("raise SystemExit(0)", "exits instead of declaring a cell"),
        ("raise ValueError", "ValueError"),
        ("open('/no/such/file')", "FileNotFoundError"),
        ("def f():\n    f()\nf()", "RecursionError"),
    ],
)
def test_an_error_in_the_file_has_its_line(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "a.py"
    path.write_text(f"\n\n{line}\n")
    text = refusal(path)
    assert text.startswith(f"{path}:")
    assert int(text.removeprefix(f"{path}:").partition(":")[0]) >= 3
    assert message in text
    assert "Traceback" not in text


def test_refused_equations_have_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        "from lstmgen import Cell, Eq, symbols, t, tanh\n"
        "h, x, W, b = symbols('h x W b')\n"
        "mine = Cell('mine', Eq(h[t], tanh(W @ [h[t-2], x[t]] + b)))\n"
    )
    message = refusal(path)
    assert message.startswith(f"{path}:3: equation (1), h[t] = ")
    assert "h has an index other than t or t-1" in message


def test_what_is_no_cell_file(tmp_path: Path) -> None:
    (tmp_path / "cell.csv").write_text("h_t = h_{t-1}")
    with pytest.raises(UsageError, match=r"a cell file is named \*\.py or \*\.tex or \*\.txt"):
        load(tmp_path / "cell.csv")
    with pytest.raises(UsageError, match="is not a file"):
        load(tmp_path)
    with pytest.raises(UsageError, match="there is no file"):
        load(tmp_path / "nothing.py")
    with pytest.raises(UsageError, match="named without a suffix: lstm"):
        load("lstm.py")


def test_a_folder_of_a_built_in_name_does_not_hide_the_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lstm").mkdir()
    assert load("lstm").name == "lstm"
