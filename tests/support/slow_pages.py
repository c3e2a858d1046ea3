"""Pages that take for ever, for the tests of what ends their making."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

from lstmgen.show.report import site
from lstmgen.show.report.site import Page


def make(name: str) -> Page:
    if name == "quick":
        return Page(name, "", "", True)
    if name == "broken":
        raise ValueError("on purpose")
    time.sleep(300)
    raise AssertionError


if __name__ == "__main__":
    pages: Iterator[Page] = site._made(sys.argv[1:], 2, make)
    try:
        for page in pages:
            print(page.name, flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
