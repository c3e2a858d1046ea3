"""Executes the notebooks in examples/.

    python tests/notebooks.py

writes them back with their outputs, which are kept under version control so that a notebook reads
on a code host; the tests compare what is kept with what comes out.  Nothing that differs from run
to run is kept: no times, no versions, no counters of the kernel's own.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parents[2] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def read(path: Path) -> nbformat.NotebookNode:
    """The notebook in a file; raises if it is no valid one."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def executed(path: Path, *, timeout: float = 120) -> nbformat.NotebookNode:
    """The notebook with fresh outputs, run in its own folder as Jupyter would.

    Raises:
        CellExecutionError: a cell stopped with an error.
        CellTimeoutError: a cell took longer than `timeout` seconds.
    """
    notebook = read(path)
    NotebookClient(
        notebook,
        timeout=timeout,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    # The kernel adds its versions.
    notebook.metadata["language_info"] = {"name": "python"}
    return notebook


if __name__ == "__main__":
    for file in NOTEBOOKS:
        nbformat.write(executed(file), file)
        print(f"{file.name}: written")
