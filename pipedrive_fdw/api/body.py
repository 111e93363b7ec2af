"""The body of an answer in pieces: unpacked, and each within the bounds that its reader asks for.

The libraries below do not bound everything. urllib3 before 2.8 reads a line of any length where a chunk
begins, and loops for ever where something follows a deflate stream; Python 3.9 has no later release of it.
http.client bounds such lines, but takes a negative size of a chunk for all that follows, and the end of the
connection for that of the headers. So http.client reads the chunks, from a file that refuses both, and zlib
unpacks. It also takes any head of 1xx but 100 for the answer, and would have the answer itself read as that
to the next request.
"""

from __future__ import annotations

import http
import http.client
import io
import zlib
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from pipedrive_fdw.errors import ProtocolError
from pipedrive_fdw.masking import beginning

# What can be asked for. Each is one layer: an answer names several where it was packed several times.
PACKINGS = ("gzip", "deflate")
# As zlib counts: with the header of gzip, with its own, with none.
_GZIP, _ZLIB, _BARE = 31, 15, -15
_SHOWN = 300
# Statuses whose answer has no body. A server that sends one all the same spoils the connection.
_WITHOUT_BODY = (
    http.HTTPStatus.SWITCHING_PROTOCOLS,
    http.HTTPStatus.NO_CONTENT,
    http.HTTPStatus.NOT_MODIFIED,
)


class _File(io.BufferedReader):
    """What a response is read from. http.client would go on with half a head where it ends there."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0:
            raise http.client.HTTPException("a size is negative")
        return super().read(size)

    def readline(self, size: int | None = -1) -> bytes:
        line = super().readline(size)
        if not line:
            raise http.client.RemoteDisconnected("the connection ended before the answer did")
        return line


class BoundedResponse(http.client.HTTPResponse):
    """A response that never reads all there is, however much, and has a whole head, without cookies."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fp: Any = _File(self.fp.detach())

    def begin(self) -> None:
        super().begin()
        while self.status < http.HTTPStatus.OK and self.status != http.HTTPStatus.SWITCHING_PROTOCOLS:
            self.headers = None  # type: ignore[assignment] # the answer is still to come
            super().begin()
        if self.status in _WITHOUT_BODY:
            self.will_close = True
        # requests reads them, and Python writes a traceback to the server's log for an odd one
        for name in ("set-cookie", "set-cookie2"):
            del self.headers[name]


def packing_of(encoding: str) -> str:
    """One of PACKINGS, or '', by a Content-Encoding. Raises ProtocolError for any other."""
    packing = encoding.strip().lower()
    if packing in ("", "identity"):
        return ""
    if packing not in PACKINGS:
        raise ProtocolError(
            "an answer is compressed in a way that was not requested",
            detail=f"Its content-encoding is {beginning(packing, _SHOWN)!r}.",
            hint="Is there a proxy in between that compresses answers? It must not change them.",
        )
    return packing


def pieces(raw: Any, packing: str, most: int) -> Iterator[bytes]:
    """The body of *raw*, a response of urllib3, in pieces of *most* bytes at most, unpacked.

    Raises EOFError for a packed body that ends early, zlib.error for one that is not packed as *packing* (one
    of PACKINGS, or '') says, and what *raw* raises.
    """
    read = iter(partial(raw.read, most, decode_content=False), b"")
    return _unpacked(read, packing, most) if packing else read


def _unpacked(parts: Iterable[bytes], packing: str, most: int) -> Iterator[bytes]:
    stream: Any = None
    for part in parts:
        while part:
            if stream is None:
                stream = zlib.decompressobj(_GZIP if packing == "gzip" else _deflate_form(part))
            yield stream.decompress(part, most)
            part = stream.unconsumed_tail  # noqa: PLW2901 - what is left of it
            if stream.eof:
                # Another one may follow: gzip can be several, one behind the other
                part, stream = stream.unused_data, None  # noqa: PLW2901
    while stream is not None and not stream.eof:
        rest = stream.decompress(b"", most)
        if not rest:
            raise EOFError("the packed answer ended early")
        yield rest


def _deflate_form(part: bytes) -> int:
    """Servers send deflate with zlib's header, as they should, or bare."""
    is_zlib = part[0] & 15 == zlib.DEFLATED and int.from_bytes(part[:2], "big") % 31 == 0
    return _ZLIB if is_zlib else _BARE
