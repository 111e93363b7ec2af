"""``python -m pipedrive_fdw check | authorize | tables | demo``: help for people who set an account up.

What a command gives goes to stdout, what it says meanwhile to stderr. Exit codes: 0 it worked, 1 it did not
and the last lines say why, 2 the command line is wrong, 130 interrupted. Secrets are never arguments, which
every user of a machine can read: they come from the environment, a file, or a prompt that shows nothing.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from pipedrive_fdw import __version__
from pipedrive_fdw.cli import authorize, check, demo, tables
from pipedrive_fdw.cli.terminal import Terminal
from pipedrive_fdw.errors import PipedriveError

_PROGRAM = "python -m pipedrive_fdw"
_WORDS = "Pipedrive as PostgreSQL tables: commands for setting up an account."


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=32, width=100)


_COMMANDS = (check, authorize, tables, demo)


def main(arguments: Sequence[str], terminal: Terminal | None = None) -> int:
    """Runs one command; the exit code."""
    terminal = terminal or Terminal()
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.run is None:
        terminal.say(parser.format_help().rstrip())
        return 2
    try:
        code: int = given.run(given, terminal)
    except PipedriveError as error:
        terminal.fail(error)
        return 1
    except OSError as error:  # of stdout, which must not be written again when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # the reader has seen enough, as in `… | head`
            terminal.say(f"error: {error.strerror}")
        return 1
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        usage="%(prog)s [-h] [--version] COMMAND ...",
        description=_WORDS,
        epilog="python -m pipedrive_fdw COMMAND --help says more about each.",
        formatter_class=_Help,
    )
    parser.add_argument("--version", action="version", version=f"pipedrive_fdw {__version__}")
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(prog=_PROGRAM, title="commands", metavar="COMMAND ...")
    for command in _COMMANDS:
        name = command.__name__.rpartition(".")[2]
        sub = commands.add_parser(
            name,
            help=command.SUMMARY,
            description=command.DESCRIPTION,
            epilog=command.EPILOG,
            formatter_class=_Help,
        )
        command.add_arguments(sub)
        sub.set_defaults(run=command.run)
    return parser
