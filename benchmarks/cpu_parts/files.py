"""Results as files: JSON, table and plot, named by what was measured and by the machine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from .machine import file_name

__all__ = ["RESULTS", "write"]

RESULTS = Path(__file__).resolve().parents[1] / "results"


def write(
    document: dict[str, Any], folder: Path, stem: str, table: str, drawing: str | None = None
) -> tuple[Path, ...]:
    """Write the files, each whole or not at all; gives their paths.

    Results of a quick run have names of their own, so that they replace no full ones.
    """
    if "machine" in document:
        stem = file_name(document["machine"], stem)
    name = stem + ("-quick" if document["quick"] else "")
    contents = {".json": json.dumps(document, indent=1) + "\n", ".txt": table}
    if drawing is not None:
        contents[".svg"] = drawing
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for suffix, content in contents.items():
        path = folder / (name + suffix)
        fresh = path.with_name(path.name + ".new")
        fresh.write_text(content, encoding="utf-8")
        os.replace(fresh, path)
        paths.append(path)
    return tuple(paths)
