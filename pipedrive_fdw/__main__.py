"""``python -m pipedrive_fdw``."""

from __future__ import annotations

import sys

from pipedrive_fdw.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
