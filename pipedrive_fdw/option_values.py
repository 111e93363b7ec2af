"""The texts of options → their values. Each function raises ValueError, which says what to write instead."""

from __future__ import annotations

import re
from typing import Any, Callable
from urllib.parse import urlsplit

from pipedrive_fdw.addresses import read_address
from pipedrive_fdw.errors import did_you_mean, sentences


def text(value: str) -> str:
    if not value:
        raise ValueError("it must not be empty")
    return value


def boolean(value: str) -> bool:
    # What PostgreSQL takes for white space, since SQL reads such options as well
    lowered = value.strip(" \t\n\v\f\r").lower()
    if lowered in ("true", "t", "on", "yes", "1"):
        return True
    if lowered in ("false", "f", "off", "no", "0"):
        return False
    raise ValueError("use 'true' or 'false'")


def number(low: float, high: float, whole: bool = True) -> Callable[[str], Any]:
    wanted = f"use a {'whole ' if whole else ''}number from {low:.15g} to {high:.15g}"

    def read(value: str) -> Any:
        try:
            number = int(value) if whole else float(value)
        except ValueError:
            raise ValueError(wanted) from None
        if not low <= number <= high:
            raise ValueError(wanted)
        return number

    return read


def choice(*names: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in names:
            listed = "use one of " + ", ".join(repr(n) for n in names)
            raise ValueError(sentences(listed, did_you_mean(value, names)))
        return value

    return read


def domain(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", value):
        raise ValueError("use the part before .pipedrive.com in the address of your account, like 'acme'")
    return value.lower()


def path(value: str) -> str:
    if not value.startswith("/") or "\0" in value:
        raise ValueError("use the absolute path of a file on the database server")
    return value


# A path that is the API's own; before it may stand that of a gateway.
_PATH_OF_API = re.compile(r"(.*?)(/api/v[12](/.*)?|/v[12])", re.IGNORECASE)


def api_address(value: str) -> str:
    url = read_address(value)
    parts = urlsplit(url)
    found = _PATH_OF_API.fullmatch(parts.path)
    ours = f".{parts.hostname}".endswith(".pipedrive.com")
    if found or (ours and parts.path):
        kept = url[: len(url) - len(parts.path)] + (found[1] if found and not ours else "")
        raise ValueError(f"use {kept!r}: the path of the API (/api/v2/…) is added to it")
    return url
