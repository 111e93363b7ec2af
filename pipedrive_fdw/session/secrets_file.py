"""The secrets_file: what signs a user in, in a file on the database server instead of the user mapping.

The file is read as the server's operating system user, and its path comes from SQL. So who may name one is a
matter of rights: the extension's event trigger asks for those of pg_read_server_files, as file_fdw does. And
whatever is named, nothing of a file's content gets into an error, and no file serves but one that the
server's user has made for this: its own, closed to others, and holding these names alone.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping

from pipedrive_fdw.errors import OptionError, sentences
from pipedrive_fdw.masking import read_secret
from pipedrive_fdw.options import OAUTH, TOKEN, Options, check_server

_NAMES = (*TOKEN, *OAUTH)
_MOST_BYTES = 64 * 1024
_FORM = f"One `name = value` on a line; the names are {', '.join(_NAMES)}. Lines that begin with # are notes."


def with_secrets(options: Options) -> Options:
    """*options* with what their secrets_file holds, when they name one.

    Raises OptionError when it cannot be used, or the mapping holds secrets besides.
    """
    path = options["secrets_file"]
    if not path:
        return options
    check_server(options)
    return Options({**options, "secrets_file": "", **read_secrets(path)})


def read_secrets(path: str) -> Mapping[str, str]:
    """The secrets that the file at *path* holds, by name.

    Raises OptionError: it is not there, not the user's own, open to others, or not of the form.
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
        raise OptionError(f"the secrets_file {path} holds no secret", hint=_FORM)
    return found


def _text(path: str) -> str:
    try:
        # Without waiting for the other end, should it be a pipe
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
    except (OSError, ValueError) as error:
        raise OptionError(
            f"the secrets_file {path} cannot be opened",
            detail=getattr(error, "strerror", None) or "",
            hint="It must lie on the database server, and the server's operating system user must be able to "
            "read it.",
        ) from None
    try:
        found = os.fstat(descriptor)
        _check(path, found)
        return os.read(descriptor, _MOST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise OptionError(f"the secrets_file {path} is no text in UTF-8", hint=_FORM) from None
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
            hint="chmod 600, and make new secrets in Pipedrive if others may have read these.",
        )
