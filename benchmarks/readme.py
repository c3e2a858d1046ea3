"""Put the figures of a run of `python -m benchmarks.cpu` into README.md and docs/speed.md.

    python -m benchmarks.readme benchmarks/results/cpu-intel-xeon-2-cores.json

What stands between the lines `<!-- figures: FILE -->` and `<!-- figures end -->` is replaced:
in the README by a few rows, on the page by all that was measured.

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

__all__ = ["PLACES", "figures", "main"]

ROOT = Path(__file__).resolve().parents[1]
PLACES = {"README.md": short, "docs/speed.md": page}
"""By file what makes the text that stands there."""
_PLACE = re.compile(r"<!-- figures: (\S+) -->\n(.*?)\n<!-- figures end -->", re.DOTALL)


def figures(text: str) -> tuple[str, str]:
    """The file of results that a text names, and what it says of it.

    Raises:
        ValueError: there is no such place.
    """
    found = _PLACE.search(text)
    if found is None:
        raise ValueError("there are no lines <!-- figures: FILE --> and <!-- figures end -->")
    return found[1], found[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite both files; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readme", description=__doc__)
    parser.add_argument("result", type=Path, help="a JSON file in benchmarks/results")
    parser.add_argument("--root", type=Path, default=ROOT, help="where README.md and docs/ are")
    options = parser.parse_args(arguments)
    try:
        path = options.result.resolve().relative_to(ROOT).as_posix()
        document = json.loads(options.result.read_text(encoding="utf-8"))
        texts = {name: (options.root / name).read_text(encoding="utf-8") for name in PLACES}
        for text in texts.values():
            figures(text)
    except (OSError, ValueError) as error:
        print(f"readme: {error}", file=sys.stderr)
        return 2
    if document["quick"]:
        print("readme: this was a quick run; whole ones are shown", file=sys.stderr)
        return 2
    for name, text in texts.items():
        new = f"<!-- figures: {path} -->\n{PLACES[name](document)}\n<!-- figures end -->"
        replaced = _PLACE.sub(lambda _, new=new: new, text, count=1)
        (options.root / name).write_text(replaced, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
