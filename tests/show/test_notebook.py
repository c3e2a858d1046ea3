"""What objects show in a notebook, and the notebook in examples/, executed and compared."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from needs import imported

import lstmgen
from lstmgen.gradients.jacobian import jacobian
from lstmgen.show.flow import Settings, measure

# So that the tests for a GPU can be collected where there is no notebook's software.
nbformat = imported("nbformat")
DisplayFormatter = imported("IPython.core.formatters").DisplayFormatter
notebooks = imported("notebooks")
EXAMPLES, NOTEBOOKS = notebooks.EXAMPLES, notebooks.NOTEBOOKS
executed, read = notebooks.executed, notebooks.read

SMALL = Settings(hidden_size=4, input_size=3, steps=3, seeds=1)
HOW = "if the new outputs are right: python tests/notebooks.py"


def shown(value: object) -> dict[str, Any]:
    """What IPython takes from a value, by MIME type."""
    data, _ = DisplayFormatter().format(value)
    return dict(data)


def mathematics(latex: str) -> tuple[list[str], str]:
    """The align* environments, and the text around them."""
    found = re.findall(r"\\begin\{align\*\}\n(.*?)\n\\end\{align\*\}", latex, re.DOTALL)
    return found, re.sub(r"\\begin\{align\*\}.*?\\end\{align\*\}", "", latex, flags=re.DOTALL)


@pytest.mark.parametrize("name", ["lstm", "fast_grnn", "lstm_projected", "slstm"])
def test_a_cell_shows_its_equations(name: str) -> None:
    cell = lstmgen.load(name)
    outputs = shown(cell)
    assert outputs["text/plain"] == repr(cell)
    (lines,), around = mathematics(outputs["text/latex"])
    assert re.findall(r"\\tag\{(\d+)\}", lines) == [str(k + 1) for k in range(len(cell.equations))]
    # Declarations are comments, which MathJax would set as text.
    assert not around.strip()
    assert lines in cell.latex()


@pytest.mark.parametrize("value", ["gradients", "jacobian"])
def test_what_is_derived_shows_its_formulas_and_its_text(value: str) -> None:
    cell = lstmgen.load("lstm")
    derived = cell.gradients if value == "gradients" else jacobian(cell)
    outputs = shown(derived)
    assert outputs["text/latex"] == derived.latex()
    assert outputs["text/plain"] == str(derived)


@pytest.mark.parametrize("name", ["lstm", "fast_grnn", "slstm", "zoneout_lstm", "mut2"])
def test_a_page_can_set_the_derivation(name: str) -> None:
    # MathJax takes environments and $...$ out of the text; what is left is shown as it is.
    found, around = mathematics(lstmgen.load(name).gradients.latex())
    assert found and "%" not in around and "%" not in "".join(found)
    assert "\\" not in re.sub(r"\$[^$]*\$", "", around)


def test_drawings_and_flows_show_their_figures() -> None:
    cell = lstmgen.load("lstm")
    for drawing in (cell.draw(), cell.draw(gradients=True)):
        assert shown(drawing)["image/svg+xml"] == drawing.svg()
    flow = measure([cell], SMALL)
    outputs = shown(flow)
    assert outputs["image/svg+xml"] == flow.svg()
    assert outputs["text/plain"] == str(flow)


def test_schedules_and_normal_forms_show_a_readable_text() -> None:
    cell = lstmgen.load("peephole")
    for value in (cell.schedule, cell.normal_form):
        assert shown(value)["text/plain"] == str(value) != repr(value)


def test_a_verification_shows_its_table_and_its_text() -> None:
    report = lstmgen.verify(lstmgen.load("rnn"))
    outputs = shown(report)
    assert outputs["text/plain"] == str(report)
    page = ET.fromstring(outputs["text/html"])
    assert "".join(page.find("p").itertext()).endswith(f"all {len(report.checks)} checks passed")
    kinds, lines = (table.findall("tbody/tr") for table in page.iter("table"))
    assert sum(int(row[1].text or "") for row in kinds) == len(lines) == len(report.checks)


# The notebook ------------------------------------------------------------------------------------


def sources(notebook: nbformat.NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells]


def outputs(cell: nbformat.NotebookNode) -> list[dict[str, Any]]:
    """What a cell shows, by MIME type; a stream as the type of its name."""
    return [
        {o.name: o.text} if o.output_type == "stream" else dict(o.data)
        for o in cell.get("outputs", [])
    ]


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> tuple[nbformat.NotebookNode, nbformat.NotebookNode]:
    """A notebook as it is kept, and executed afresh."""
    path: Path = request.param
    return read(path), executed(path)


def test_there_is_a_notebook() -> None:
    assert [path.name for path in NOTEBOOKS] == ["from_formulas_to_a_model.ipynb"]


def test_the_outputs_that_are_kept_are_those_of_the_code(
    notebook: tuple[nbformat.NotebookNode, nbformat.NotebookNode],
) -> None:
    kept, fresh = notebook
    for before, after in zip(kept.cells, fresh.cells, strict=True):
        if before.cell_type != "code":
            continue
        was, now = outputs(before), outputs(after)
        assert not any("stderr" in o for o in now), now  # warnings too
        assert before.execution_count == after.execution_count, HOW
        if "measured" in before.metadata.get("tags", ()):
            # Rounding differs from machine to machine, and figures with it.
            assert [set(o) for o in was] == [set(o) for o in now], HOW
        else:
            assert was == now, HOW


def test_nothing_of_a_machine_is_kept() -> None:
    for path in NOTEBOOKS:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"/home/|/root/|/tmp/|/usr/|0x[0-9a-f]{6,}", text)
        kept = read(path)
        assert kept.metadata == {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
        for cell in kept.cells:
            assert set(cell.metadata) <= {"tags"}


def test_the_story_of_the_notebook(
    notebook: tuple[nbformat.NotebookNode, nbformat.NotebookNode],
) -> None:
    kept, fresh = notebook
    assert sources(kept) == sources(fresh)
    for version in notebook:
        shows = [o for cell in version.cells for o in outputs(cell)]
        printed = "".join(o.get("stdout", "") for o in shows)
        (report,) = [o["text/html"] for o in shows if "text/html" in o]
        assert "checks passed" in report and "FAILED" not in report
        assert sum("image/svg+xml" in o for o in shows) == 5
        # Cells whose gradients vanish do no better than answering 0, which gives 2/3.
        errors = re.findall(r"^(\S.*?) +mean squared error ([\d.]+)$", printed, re.MULTILINE)
        assert [name for name, _ in errors] == [
            *("rnn", "lstm, b_f = 0", "lstm, b_f = 3", "gru, b_z = 3")
        ]
        rnn, forgetting, lstm, gru = (float(error) for _, error in errors)
        assert min(rnn, forgetting) > 0.5 and max(lstm, gru) < 0.05
        last = {
            (row[0], row[1]): float(row[2])
            for row in re.findall(
                r"^(\S.*?)  +([hC]) .* (\d\.\de[+-]\d+) +[\d.]+$", printed, re.MULTILINE
            )
        }
        assert last["rnn", "h"] < 1e-10 < 1e-3 < last["lstm, b_f = 3", "C"]
        wanted, answer = map(float, re.search(r"sum (\S+), answer (\S+)", printed).groups())  # type: ignore[union-attr]
        assert abs(wanted - answer) < 0.2
        found = re.search(r"marked numbers \[(.*?)\], the others at most (\S+)", printed)
        assert found and float(found[2]) < 0.2
        assert [float(v) for v in found[1].split()] == pytest.approx([1, 1], abs=0.2)


def test_links_of_the_notebook_exist() -> None:
    for path in NOTEBOOKS:
        text = "\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")
        for target in re.findall(r"\]\(([^)]+)\)", text):
            assert target.startswith("https://") or (EXAMPLES / target).is_file(), target
