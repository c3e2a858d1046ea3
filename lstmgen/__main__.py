"""`python -m lstmgen` is the command `lstmgen`."""

from __future__ import annotations

import sys

from lstmgen.cli.root import main

if __name__ == "__main__":
    sys.exit(main())
