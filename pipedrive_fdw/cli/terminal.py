"""What a command shows and asks. The only module of the command line that touches the terminal."""

from __future__ import annotations

import getpass
import io
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

from pipedrive_fdw.errors import OptionError, PipedriveError
from pipedrive_fdw.masking import visible

VARIABLE = "PIPEDRIVE_"


def _write(out: TextIO, text: str) -> None:
    """A line, or some: ends of lines are the command's own, since what others say comes without (visible)."""
    lines = "\n".join(map(visible, text.split("\n")))
    encoding = getattr(out, "encoding", None) or "utf-8"
    out.write(lines.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    out.flush()


class Terminal:
    """*out* takes what a command gives, *err* what it says; *inp* answers, where it is a terminal."""

    def __init__(
        self,
        out: TextIO | None = None,
        err: TextIO | None = None,
        inp: TextIO | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        # Python has no stream where it was closed (`<&-`)
        self._out = out or sys.stdout or io.StringIO()
        self._err = err or sys.stderr or io.StringIO()
        self._in = inp or sys.stdin or io.StringIO()
        self._environment = environment

    def give(self, text: str) -> None:
        _write(self._out, text)

    def say(self, text: str) -> None:
        _write(self._err, text)

    def fail(self, error: PipedriveError) -> None:
        self.say(f"error: {error.message}")
        if error.detail:
            self.say(f"  {error.detail}")
        if error.hint:
            self.say(f"  {error.hint}")

    def variable(self, name: str) -> str:
        """The environment's value for the option *name*, empty where there is none."""
        return self._environment.get(f"{VARIABLE}{name.upper()}", "")

    def ask(self, name: str, question: str, hidden: bool = False) -> str:
        """The answer for the option *name*. Raises OptionError where nobody can be asked or nothing comes."""
        answer, terminal = "", self._in.isatty()
        if terminal:
            if hidden:
                with suppress(EOFError):  # Ctrl-D is no answer
                    answer = getpass.getpass(f"{question} (not shown): ").strip()
            else:
                self._err.write(f"{question}: ")
                self._err.flush()
                answer = self._in.readline().strip()
        if not answer:
            ways = "Set" if hidden else f"Give --{name.replace('_', '-')}, set"
            last = "type it when asked" if terminal else "run this in a terminal"
            raise OptionError(f"{name} is needed", hint=f"{ways} {VARIABLE}{name.upper()}, or {last}.")
        return answer

    def line(self) -> str:
        """A line from whoever runs the command, terminal or not."""
        return self._in.readline().strip()
