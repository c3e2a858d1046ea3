"""Put the figures of a run of a benchmark into README.md and a page of docs/.

    python -m benchmarks.readme benchmarks/results/cpu-intel-xeon-2-cores.json
    python -m benchmarks.readme benchmarks/results/torch-intel-xeon-2-cores.json

What stands between the lines `<!-- figures: FILE -->` and `<!-- figures end -->`, or those with
`torch-figures` for a run of `python -m benchmarks.torch`, is replaced: in the README by a few rows,
on the page by all that was measured.

Exit status: 0 written, 2 usage.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cpu_parts.summary import page, short
from benchmarks.torch_parts import report

__all__ = ["PLACES", "TORCH_PLACES", "figures", "main"]

ROOT = Path(__file__).resolve().parents[1]
PLACES = {"README.md": short, "docs/speed.md": page}
TORCH_PLACES = {"README.md": report.short, "docs/torch.md": report.page}
"""By file what makes the text that stands there."""


def figures(text: str, mark: str = "figures") -> tuple[str, str]:
    """The file of results that a text names, and what it says of it.

    Raises:
        ValueError: there is no such place.
    """
    found = _place(mark).search(text)
    if found is None:
        raise ValueError(f"there are no lines <!-- {mark}: FILE --> and <!-- {mark} end -->")
    return found[1], found[2]


def _place(mark: str) -> re.Pattern[str]:
    return re.compile(rf"<!-- {mark}: (\S+) -->\n(.*?)\n<!-- {mark} end -->", re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite both files; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readme", description=__doc__)
    parser.add_argument("result", type=Path, help="a JSON file in benchmarks/results")
    parser.add_argument("--root", type=Path, default=ROOT, help="where README.md and docs/ are")
    options = parser.parse_args(arguments)
    torch = options.result.name.startswith("torch")
    mark, places = ("torch-figures", TORCH_PLACES) if torch else ("figures", PLACES)
    try:
        path = options.result.resolve().relative_to(ROOT).as_posix()
        document = json.loads(options.result.read_text(encoding="utf-8"))
        texts = {name: (options.root / name).read_text(encoding="utf-8") for name in places}
        for text in texts.values():
            figures(text, mark)
    except (OSError, ValueError) as error:
        print(f"readme: {error}", file=sys.stderr)
        return 2
    if document["quick"]:
        print("readme: this was a quick run; whole ones are shown", file=sys.stderr)
        return 2
    for name, text in texts.items():
        new = f"<!-- {mark}: {path} -->\n{places[name](document)}\n<!-- {mark} end -->"
        replaced = _place(mark).sub(lambda _, new=new: new, text, count=1)
        (options.root / name).write_text(replaced, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
