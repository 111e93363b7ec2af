"""Addresses and the parts of their paths: read strictly, so that every program reads them alike.

An address or a path that one program takes for another one's is refused: user names, numbers of IPv4 in their
odd forms, letters that only look like ASCII, dots that lead upwards however they are written.
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import unquote

# The API's address where an OAuth account names none; it serves every company.
ANY_COMPANY = "https://api.pipedrive.com"
_ADDRESS = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[^\]/]*\]|[^:/\[\]]*)(?::(?P<port>[^/]*))?(?P<path>/.*)?", re.IGNORECASE
)
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_USUAL_PORTS = {"http": "80", "https": "443"}
_SEGMENT = re.compile(r"(?:[\w.~-]|%[0-9a-f]{2})+", re.IGNORECASE | re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# A percent sign may be written as %25, and so again.
_MOST_ESCAPES = 5
_MOST_CHARACTERS = 2_000


def read_address(value: str) -> str:
    """An address without anything but scheme, host, port and path, in its one form and without a slash at its
    end. Raises ValueError, which says what is wrong."""
    if len(value) > _MOST_CHARACTERS or not value.isascii():
        raise ValueError("use ASCII; a host name with other letters has an ASCII form that begins with xn--")
    found = _ADDRESS.fullmatch(value)
    if found is None or re.search(r"[\s\\?#@\x00-\x1f\x7f]", value):
        raise ValueError(
            "use an address like https://proxy.example, without a user, a query, a fragment or a space"
        )
    scheme, port, path = found["scheme"].lower(), found["port"], (found["path"] or "").rstrip("/")
    host = _host(found["host"].lower())
    if scheme == "http" and not is_loopback(host):
        raise ValueError("http is allowed only for the loopback address; use https")
    if port is not None and not (_PORT.fullmatch(port) and int(port) < 65_536):
        raise ValueError("its port must be a number from 1 to 65535")
    for segment in path.split("/")[1:]:
        check_written_segment(segment)
    if port in (None, _USUAL_PORTS[scheme]):
        return f"{scheme}://{host}{path}"
    return f"{scheme}://{host}:{port}{path}"


def is_loopback(host: str) -> bool:
    """True for a host (an IPv6 address in brackets) that is surely this machine."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return address == ipaddress.IPv6Address("::1") if address.version == 6 else address.is_loopback


def _host(host: str) -> str:
    """*host*, in small letters, in its one form. Raises ValueError."""
    if host.startswith("["):
        if "." in host or "%" in host:  # IPv4 within IPv6, zones
            raise ValueError("write an IPv6 address in its plain form, like [2001:db8::1]")
        try:
            return f"[{ipaddress.IPv6Address(host[1:-1])}]"
        except ValueError:
            raise ValueError("write an IPv6 address in its plain form, like [2001:db8::1]") from None
    labels = host.split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        try:
            return str(ipaddress.IPv4Address(host))
        except ValueError:
            raise ValueError("write an IPv4 address as four numbers, like 10.0.0.5") from None
    if len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError("its host is not a valid host name, or ends with a dot")
    return host


def check_segment(text: str) -> None:
    """Raises ValueError when *text* as a part of a path could lead out of it."""
    for _ in range(_MOST_ESCAPES):
        if text in ("", ".", "..") or "/" in text or "\\" in text or _CONTROL.search(text):
            raise ValueError("'.', '..', slashes and control characters would change the path")
        before, text = text, unquote(text, errors="replace")
        if text == before:
            return
    raise ValueError("it is percent-encoded too many times")


def check_written_segment(text: str) -> None:
    """The same for *text* as it stands in a path: it must be written as in an address."""
    if not _SEGMENT.fullmatch(text):
        raise ValueError("its path may contain ASCII letters and digits, and . _ ~ - % between slashes")
    check_segment(text)
