"""``python -m tools.engine <command>``: what the Makefile calls."""

from __future__ import annotations

import argparse
import io
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from tools.engine import demo, sandbox
from tools.engine.engines import find_engine
from tools.engine.extension import write_extension
from tools.engine.install import install, uninstall
from tools.engine.process import EngineError, say

_COMMANDS = {
    "assemble": "put the engine together, or say that it is",
    "clean": "stop what runs and forget this checkout's data",
    "demo": "a tour of queries on a made-up company",
    "down": "stop what up started",
    "dsn": "print the running cluster's address",
    "extension": "put the extension's files together in a folder that is named",
    "install": "install package and extension into the server of PG_CONFIG",
    "psql": "psql on the running cluster, with any further arguments",
    "reset": "stop what runs, forget this checkout's data, and start over",
    "simulator-url": "print the running simulator's address",
    "status": "print what runs",
    "uninstall": "take them away again",
    "up": "start a cluster and the simulator, and import the tables if they are not there",
}


def main(arguments: Sequence[str]) -> int:
    listed = "\n".join(f"  {name:15}{words}" for name, words in _COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="python -m tools.engine", epilog=listed, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=sorted(_COMMANDS), metavar="command")
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="for psql, extension")
    given = parser.parse_args(arguments)
    if given.rest and given.command not in ("psql", "extension"):
        parser.error(f"{given.command} takes no arguments")
    if given.command == "extension" and len(given.rest) != 1:
        parser.error("extension takes a folder")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # the tour shows more than some locales have
            stream.reconfigure(errors="replace")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ended)
    try:
        _run(given.command, given.rest)
    except EngineError as error:
        say(f"{error}")
        return 1
    except KeyboardInterrupt:
        say("\ninterrupted: nothing is left half done, it can be run again")
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    return 0


def _run(command: str, rest: Sequence[str]) -> None:
    if command in ("up", "reset"):
        server = {"up": sandbox.up, "reset": sandbox.reset}[command]()
        _print(f"{server.dsn}\n{sandbox.simulator_url()}")
    elif command == "down":
        say("stopped" if sandbox.down() else "nothing was running")
    elif command == "assemble":
        _print(find_engine().version)
    elif command == "extension":
        write_extension(Path(rest[0]))
    elif command == "psql":
        sandbox.psql().replace_process(rest)
    elif command in ("dsn", "simulator-url", "status"):
        ask = {"dsn": sandbox.dsn, "simulator-url": sandbox.simulator_url, "status": sandbox.status}
        _print(ask[command]())
    else:
        {"clean": sandbox.clean, "demo": demo.run, "install": install, "uninstall": uninstall}[command]()


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _ended(number: int, frame: object) -> NoReturn:
    """End by the normal way, so that half-built folders are removed and children stopped."""
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
