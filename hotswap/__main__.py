"""`python -m hotswap` is the command `hotswap`."""

from __future__ import annotations

import sys

from hotswap.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
