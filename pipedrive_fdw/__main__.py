"""``python -m pipedrive_fdw``."""

from __future__ import annotations

import sys


def _run() -> int:
    try:
        # Loading all of it takes long enough to be interrupted
        from pipedrive_fdw.cli import main

        return main(sys.argv[1:])
    except KeyboardInterrupt:
        if sys.stderr:  # Python has none where it was closed
            sys.stderr.write("\ninterrupted\n")
        return 130


if __name__ == "__main__":
    sys.exit(_run())
