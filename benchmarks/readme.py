"""Put the figures of a run of `python -m benchmarks.cpu` into README.md.

    python -m benchmarks.readme benchmarks/results/cpu-intel-xeon-2-cores.json

What stands between the lines `<!-- figures: FILE -->` and `<!-- figures end -->` is replaced.

Exit status: 0 written, 2 usage.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.cpu_parts.summary import block

__all__ = ["figures", "main"]

ROOT = Path(__file__).resolve().parents[1]
_PLACE = re.compile(r"<!-- figures: (\S+) -->\n(.*?)\n<!-- figures end -->", re.DOTALL)


def figures(text: str) -> tuple[str, str]:
    """The file that a README names, and what it says of it.

    Raises:
        ValueError: there is no such place.
    """
    found = _PLACE.search(text)
    if found is None:
        raise ValueError("there are no lines <!-- figures: FILE --> and <!-- figures end -->")
    return found[1], found[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite the README; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readme", description=__doc__)
    parser.add_argument("result", type=Path, help="a JSON file in benchmarks/results")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    options = parser.parse_args(arguments)
    try:
        path = options.result.resolve().relative_to(ROOT).as_posix()
        document = json.loads(options.result.read_text(encoding="utf-8"))
        text = options.readme.read_text(encoding="utf-8")
        figures(text)
    except (OSError, ValueError) as error:
        print(f"readme: {error}", file=sys.stderr)
        return 2
    if document["quick"]:
        print("readme: this was a quick run; the README shows whole ones", file=sys.stderr)
        return 2
    new = f"<!-- figures: {path} -->\n{block(document)}\n<!-- figures end -->"
    options.readme.write_text(_PLACE.sub(lambda _: new, text, count=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
