"""The secrets_file: a file on the database server that holds the secrets instead of the user mapping.

The server's operating system user reads the file, and its path comes from SQL. So only a role with the
rights of pg_read_server_files may name one (options.check_given). No error shows anything of a file's
content. The file must belong to the server's user, be closed to others, and hold nothing but the known
names.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pipedrive_fdw.errors import OptionError, sentences
from pipedrive_fdw.masking import read_secret
from pipedrive_fdw.options import OAUTH, TOKEN, Options, check_server

_NAMES = (*TOKEN, *OAUTH)
_MOST_BYTES = 64 * 1024
_FORM = f"One `name = value` on a line; the names are {', '.join(_NAMES)}. Lines that begin with # are notes."


def with_secrets(options: Options) -> Options:
    """*options* with the secrets of their secrets_file, if they name one.

    Raises OptionError where the file cannot be used, or the mapping has secrets too.
    """
    path = options.secrets_file
    if not path:
        return options
    check_server(options)
    secrets: Mapping[str, Any] = read_secrets(path)
    return replace(options, secrets_file="", **secrets)


def read_secrets(path: str) -> Mapping[str, str]:
    """The secrets that the file at *path* holds, by name.

    Raises OptionError where it does not exist, belongs to another user, is open to others, or has another
    form.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(re.split(r"\r?\n", _text(path)), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or name not in _NAMES or not value or name in found:
            raise OptionError(f"line {number} of the secrets_file {path} cannot be read", hint=_FORM)
        try:
            found[name] = read_secret(value)
        except ValueError as error:
            raise OptionError(
                f"{name} in line {number} of the secrets_file {path} cannot be used",
                hint=sentences(f"{name}: {error}"),
            ) from None
    if not found:
        raise OptionError(f"the secrets_file {path} contains no secret", hint=_FORM)
    return found


def _text(path: str) -> str:
    try:
        # Without waiting for the other end, should it be a pipe
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise OptionError(
            f"the secrets_file {path} cannot be opened",
            detail=getattr(error, "strerror", None) or "",
            hint="It must be on the database server, and the server's operating system user must be able to "
            "read it.",
        ) from None
    try:
        found = os.fstat(descriptor)
        _check(path, found)
        return os.read(descriptor, _MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise OptionError(f"the secrets_file {path} is not text in UTF-8", hint=_FORM) from None
    finally:
        os.close(descriptor)


def _check(path: str, found: os.stat_result) -> None:
    if not stat.S_ISREG(found.st_mode) or found.st_size > _MOST_BYTES:
        raise OptionError(f"the secrets_file {path} is not a small regular file", hint=_FORM)
    if found.st_uid != os.geteuid():
        raise OptionError(
            f"the secrets_file {path} belongs to another operating system user",
            hint="It must belong to the one that the database server runs as.",
        )
    if found.st_mode & 0o077:
        raise OptionError(
            f"the secrets_file {path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o})",
            hint="Run chmod 600 on it, and create new secrets in Pipedrive if others may have read these.",
        )
