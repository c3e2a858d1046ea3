"""Pages that take for ever, for the tests of what ends their making."""

from __future__ import annotations

import sys
import time
from contextlib import closing

from lstmgen.show.report import site
from lstmgen.show.report.site import Page


def make(name: str) -> Page:
    if name in ("quick", "busy"):
        return Page(name, "", "", True)
    if name == "broken":
        raise ValueError("on purpose")
    time.sleep(300)
    raise AssertionError


if __name__ == "__main__":
    try:
        with closing(site._made(sys.argv[1:], 2, make)) as pages:
            for page in pages:
                print(page.name, flush=True)
                if "busy" in sys.argv:
                    time.sleep(300)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
